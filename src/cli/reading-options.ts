import { createHash } from 'node:crypto'
import { schema } from '../config/schema.ts'
import type { ReadConfig } from '../config/file.ts'
import type { ConfigKey, OptionDefinition } from '../config/schema.ts'

/** Options that change how a read is done, by flags of `get` and `explain`: a node that runs already has its own */
const FLAGS: readonly ConfigKey[] = ['routing.mode', 'routing.providers', 'routing.routers', 'routing.ownRouters', 'routing.allowAddresses', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap', 'libp2p.dhtProtocol', 'exchange.siblings']
/** The same, without a flag there */
const OTHERS: readonly ConfigKey[] = ['privacy.hedges', 'privacy.lookupIdentity', 'privacy.lookupDelay']

type Given = Pick<ReadConfig, 'values' | 'origins' | 'sources'>

/** Whether the command line says how to read: a running node cannot honour that */
export function readsItsOwnWay ({ origins }: Pick<Given, 'origins'>): boolean {
  return FLAGS.some(key => origins[key] === 'flag')
}

/**
 * How a node reads, for commands that ask whether it is how they were told to:
 * digests, since nobody expects a copy of an address with a password in it.
 */
export function readingDigests ({ values }: Pick<Given, 'values'>): Record<string, string> {
  return Object.fromEntries([...FLAGS, ...OTHERS].map(key => [key, createHash('sha256').update(JSON.stringify(values[key])).digest('base64url').slice(0, 16)]))
}

/**
 * What the environment or a file says of reads, and the running node does not
 * do: one line, or nothing where it was started with the same.
 *
 * @param there - the digests of the node; without them nothing is known to be the same
 */
export function unheeded (config: Given, there: Readonly<Record<string, unknown>> = {}): string | undefined {
  const here = readingDigests(config)
  const keys = [...FLAGS, ...OTHERS].filter(key => ['environment', 'file'].includes(config.origins[key]) && here[key] !== there[key])
  if (keys.length === 0) {
    return undefined
  }
  const flags = keys.filter(key => FLAGS.includes(key)).map(key => `--${(schema[key] as OptionDefinition).flag}`)
  return `the running node reads as it was started, not with ${keys.map(key => `${key} of ${config.sources[key]}`).join(', nor with ')}${flags.length === 0 ? '' : `; ${flags.join(', ')} on the command line would read past it`}`
}
