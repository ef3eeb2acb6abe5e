import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { PrivacyOverrides } from '../interface/privacy-preset.ts'
import type { ConfigOf, Schema } from './schema.ts'

const AS_THE_MODE = 'the mode sets it: docs/privacy-model.md has the table'

/** Switches of the privacy mode that may be set apart from it: a part of the schema */
export const privacyOptions = {
  'privacy.hedges': {
    type: 'choice',
    default: 'mode',
    choices: ['mode', 'on', 'off'],
    reason: AS_THE_MODE,
    description: 'Whether a second provider is asked, and so learns what is read, while the first is slow.',
    env: 'PORTOLAN_HEDGES',
    flag: 'hedges',
    placeholder: 'CHOICE'
  },
  'privacy.lookupIdentity': {
    type: 'choice',
    default: 'mode',
    choices: ['mode', 'node', 'separate'],
    reason: AS_THE_MODE,
    description: 'Under which identity the DHT is asked: the node\'s own, or one that lives for the lookup.',
    env: 'PORTOLAN_LOOKUP_IDENTITY',
    flag: 'lookup-identity',
    placeholder: 'CHOICE'
  },
  'privacy.lookupDelay': {
    type: 'string',
    default: 'mode',
    reason: AS_THE_MODE,
    description: 'How long a lookup may wait to leave together with others: `mode`, or a duration of at most 30s; 0 is at once.',
    env: 'PORTOLAN_LOOKUP_DELAY',
    flag: 'lookup-delay',
    placeholder: 'DURATION',
    maxLength: 16
  },
  'privacy.agent': {
    type: 'choice',
    default: 'mode',
    choices: ['mode', 'common', 'full'],
    reason: AS_THE_MODE,
    description: 'What peers are told this node is: `portolan` and nothing more, or the versions of libp2p and of the runtime.',
    env: 'PORTOLAN_AGENT',
    flag: 'agent',
    placeholder: 'CHOICE'
  },
  'privacy.privateAddresses': {
    type: 'choice',
    default: 'mode',
    choices: ['mode', 'tell', 'hide'],
    reason: AS_THE_MODE,
    description: 'Whether peers outside of private networks are told private addresses of this node.',
    env: 'PORTOLAN_PRIVATE_ADDRESSES',
    flag: 'private-addresses',
    placeholder: 'CHOICE'
  }
} as const satisfies Schema

/** What belongs to the libp2p node, and how whoever composed it sets it */
const OF_THE_NODE: ReadonlyArray<readonly [name: keyof PrivacyOverrides, how: string]> = [
  ['agent', 'nodeInfo.userAgent of libp2p'],
  ['privateAddresses', 'addresses.announceFilter of libp2p'],
  ['lookupIdentity', 'lookupNode and switches of enhancedDHTDiscovery']
]

/** On a node of the user's own these would have no effect, and a setting without one is worse than none */
export function checkOfOurNode (overrides: PrivacyOverrides = {}): void {
  const [name, how] = OF_THE_NODE.find(([name]) => overrides[name] !== undefined) ?? []

  if (name != null) {
    throw new InvalidOptionError(`privacy.${name} is about the libp2p node, which you put together yourself: set it there (${how})`)
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1_000 }
const MAX_DELAY = 30_000

/** What the configuration sets apart from the mode, as a node takes it */
export function privacyOverrides (values: Pick<ConfigOf<typeof privacyOptions>, keyof typeof privacyOptions>): PrivacyOverrides {
  const { 'privacy.hedges': hedges, 'privacy.lookupIdentity': identity, 'privacy.agent': agent, 'privacy.privateAddresses': addresses } = values
  const delay = lookupDelay(values['privacy.lookupDelay'])

  return {
    ...hedges === 'mode' ? {} : { hedges: hedges === 'on' },
    ...identity === 'mode' ? {} : { lookupIdentity: identity as PrivacyOverrides['lookupIdentity'] },
    ...delay == null ? {} : { lookupDelay: delay },
    ...agent === 'mode' ? {} : { agent: agent as PrivacyOverrides['agent'] },
    ...addresses === 'mode' ? {} : { privateAddresses: addresses === 'tell' }
  }
}

/** Milliseconds; undefined where the mode says it */
export function lookupDelay (text: string): number | undefined {
  if (text === 'mode') {
    return undefined
  }
  const [, digits = '', unit = ''] = /^(\d{1,8})(ms|s|)$/.exec(text) ?? []
  const delay = digits === '' ? Number.NaN : Number(digits) * (UNITS[unit] ?? Number.NaN)

  if (!(delay <= MAX_DELAY)) {
    throw new InvalidOptionError(`must be mode, or milliseconds from 0 to ${MAX_DELAY}, or like 500ms, 2s, not ${quote(text)}`)
  }
  return delay
}
