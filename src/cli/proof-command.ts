import { didYouMean } from '../interface/suggest.ts'
import { UsageError } from './exit-code.ts'
import type { Command, CommandContext } from './command.ts'

type Tools = typeof import('./proof.ts')

interface Action {
  /** After its name */
  readonly arguments: string
  readonly least: number
  readonly most: number
  /** Flags that are for it, of those that are not for all */
  readonly flags: readonly string[]
  readonly run: (tools: Tools, context: CommandContext) => Promise<number>
}

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['join', { arguments: 'NAME', least: 1, most: 1, flags: ['output', 'days'], run: async (tools, context) => await tools.join(context) }],
  ['group', { arguments: 'NAME FILE...', least: 2, most: Infinity, flags: ['output', 'days', 'depth', 'epoch', 'window', 'without'], run: async (tools, context) => await tools.group(context) }],
  ['nonce', { arguments: '', least: 0, most: 0, flags: [], run: async (tools, context) => await tools.nonce(context) }],
  ['verify', { arguments: 'FILE', least: 1, most: 1, flags: ['group', 'nonce', 'any-nonce', 'claims', 'json'], run: async (tools, context) => await tools.verify(context) }]
])

const NAMES = [...ACTIONS.keys()]

/** `portolan proof join|group|nonce|verify` */
export const proofCommand: Command = {
  name: 'proof',
  summary: 'Prove that a report is by one of a group, and verify that it is',
  arguments: NAMES.join('|'),
  minArguments: 1,
  maxArguments: Infinity,
  description: `What is done for a proof of membership beside making it, which portolan analyze --zk does: each member hands in an entry (join), one puts
the file of the group together that all of them use (group), a reader gives out a nonce (nonce) and verifies the report that comes back (verify). Nothing but the
secret in the store is to be kept from anybody. None of this needs a package that is not installed with portolan.`,
  actions: [
    ['join NAME', "Prints this node's entry for the group of that name: a commitment, signed with the node's key. The secret behind it is made at first use, and stays in the store."],
    ['group NAME FILE...', 'Prints the file of a group of these entries: at least 5, no peer and no commitment twice. A FILE may be the file of the group as it was: those who come after its members have joined it.'],
    ['nonce', 'Prints a nonce, for one report: what --zk-nonce of portolan analyze takes.'],
    ['verify FILE', 'Verifies the report that portolan analyze --zk --format json wrote ("-" for standard input), says what is proven and what is not, and remembers the claim: each member makes one in an epoch. Exits with 1 when it is refused.']
  ],
  examples: [
    'portolan proof join fleet --output a.json',
    'portolan proof group fleet a.json b.json c.json d.json e.json --days 30 --output fleet.json',
    'portolan proof nonce',
    'portolan analyze --connect-to ADDRESS --zk --zk-group fleet.json --zk-nonce NONCE --format json --output report.json',
    'portolan proof verify report.json --group fleet.json --nonce NONCE',
    'portolan proof group fleet fleet.json f.json --window 1 --output fleet.json'
  ],
  own: {
    output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'With join and group: write it there. It appears whole or not at all.' },
    days: { type: 'string', placeholder: 'NUMBER', description: 'With join and group: valid from midnight (UTC) for so many days. (default 365 for an entry; as long as all entries are for a group)' },
    epoch: { type: 'string', placeholder: 'HOURS', description: 'With group: each member makes one claim in every such time. (default 24)' },
    window: { type: 'string', placeholder: 'NUMBER', description: 'With group: take proofs from before the last so many members joined, too. (default 0)' },
    depth: { type: 'string', placeholder: 'NUMBER', description: 'With group: levels of the circuit, 10 or 16. (default 10 up to 1024 members)' },
    without: { type: 'string', placeholder: 'PEER-ID', multiple: true, description: 'With group: leave this peer of the former file out.' },
    group: { type: 'string', placeholder: 'FILE', description: 'With verify: the file of the group.' },
    nonce: { type: 'string', placeholder: 'TEXT', description: 'With verify: the nonce that you gave out for this report.' },
    'any-nonce': { type: 'boolean', description: 'With verify: take the nonce that the report names. Then it may have been made for somebody else, and handed on.' },
    claims: { type: 'string', placeholder: 'DIR', description: 'With verify: where it is remembered whose claims were accepted. (default claims in the store)' },
    json: { type: 'boolean', description: 'With verify: print what came of it as JSON.' }
  },
  options: ['store.path'],

  async run (context) {
    const [name = '', ...rest] = context.positionals
    const action = ACTIONS.get(name)

    if (action == null) {
      throw new UsageError(`portolan proof knows no ${JSON.stringify(name)}${didYouMean(name, NAMES, 'portolan proof ')} (it knows ${NAMES.join(', ')})`)
    }
    const other = Object.keys(proofCommand.own ?? {}).find(flag => context.flags[flag] != null && !action.flags.includes(flag))
    if (other != null) {
      throw new UsageError(`--${other} is for portolan proof ${NAMES.filter(each => ACTIONS.get(each)?.flags.includes(other)).join(' and ')}`)
    }
    if (rest.length < action.least || rest.length > action.most) {
      throw new UsageError(`portolan proof ${name} takes ${action.most === 0 ? 'nothing more' : action.arguments}, got ${rest.length === 0 ? 'nothing' : `${rest.length} argument${rest.length === 1 ? '' : 's'}`}`)
    }
    return await action.run(await import('./proof.ts'), context)
  }
}
