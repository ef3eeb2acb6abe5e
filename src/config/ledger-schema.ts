import { DEFAULT_MAX_AGE, DEFAULT_MAX_ENTRIES, MAX_ALLOWED, MAX_ENTRIES, MAX_MAX_AGE } from '../privacy/ledger/ledger-params.ts'
import type { ConfigOf, Schema } from './schema.ts'
import type { LedgerOption } from './ledger-option.ts'

/** What is written down of who learns what: a part of the schema */
export const ledgerSchema = {
  'ledger.enabled': {
    type: 'boolean',
    default: true,
    reason: 'who does not know what was told cannot tell less; it costs a microsecond for each message',
    description: 'Write down who learns what: `portolan explain CID --privacy` and `portolan analyze` read it.',
    env: 'PORTOLAN_LEDGER',
    flag: 'ledger',
    switchedOff: 'Do not write down who learns what: `portolan explain CID --privacy` has nothing to tell then, and `portolan analyze` less.'
  },
  'ledger.maxEntries': {
    type: 'integer',
    default: DEFAULT_MAX_ENTRIES,
    reason: 'some hours of a person\'s reading, some minutes of a gateway\'s, in 5 MB; numbers are kept of all',
    description: 'Disclosures kept with all they say, in memory and in the store.',
    env: 'PORTOLAN_LEDGER_MAX_ENTRIES',
    min: 1,
    max: MAX_ENTRIES
  },
  'ledger.maxAge': {
    type: 'duration',
    default: DEFAULT_MAX_AGE,
    reason: 'long enough to ask in the evening about the morning; what is not kept cannot be taken',
    description: 'How long they are kept.',
    env: 'PORTOLAN_LEDGER_MAX_AGE',
    min: 1,
    max: MAX_MAX_AGE
  },
  'ledger.allow': {
    type: 'list',
    default: [],
    reason: 'empty: everybody is recorded by name. With a list nobody else is, and all are counted',
    description: 'Parties that are recorded by name: a peer id, `p2p:PEER-ID`, `https:HOST`, `router:HOST`.',
    env: 'PORTOLAN_LEDGER_ALLOW',
    flag: 'ledger-allow',
    placeholder: 'PARTY',
    maxItems: MAX_ALLOWED,
    maxLength: 512
  },
  'ledger.raw': {
    type: 'boolean',
    default: false,
    reason: 'whoever gets hold of the store would know what was read, when and from whom',
    description: 'Keep names and CIDs as they are in the store, so that they can be asked for after a restart. Without it they are pseudonyms that nobody can resolve then. Switched off again, what was kept goes at the next start.',
    env: 'PORTOLAN_LEDGER_RAW',
    flag: 'ledger-raw'
  }
} as const satisfies Schema

/** The option of a node as the configuration has it */
export function ledgerFrom (values: ConfigOf<typeof ledgerSchema>): LedgerOption {
  const allow = values['ledger.allow']

  return values['ledger.enabled'] && {
    maxEntries: values['ledger.maxEntries'],
    maxAge: values['ledger.maxAge'],
    raw: values['ledger.raw'],
    ...allow.length === 0 ? {} : { allow }
  }
}
