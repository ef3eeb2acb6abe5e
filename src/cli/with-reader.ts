import { StoreLockedError } from '../config/errors.ts'
import { RemoteReader } from './remote-reader.ts'
import { runningNode, storeIsTaken } from './running-node.ts'
import type { CommandContext } from './command.ts'
import type { ConfigKey } from '../config/schema.ts'
import type { Reader } from './reader.ts'

/** Options that change how a read is done: a node that runs already has its own */
const READING: readonly ConfigKey[] = ['routing.mode', 'routing.providers', 'routing.routers', 'routing.ownRouters', 'routing.allowAddresses', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap', 'libp2p.dhtProtocol', 'exchange.siblings']

/**
 * Uses the node that runs on the store, else a node of the command's own.
 * Flags that a running node could not honour are honoured by reading without it.
 */
export async function withReader<T> (context: CommandContext, use: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = await openReader(context)
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

async function openReader (context: CommandContext): Promise<Reader> {
  const { config, stderr } = context

  if (!await storeIsTaken(context)) {
    try {
      return await ownReader(context)
    } catch (err) {
      // taken by somebody in this moment
      if (!(err instanceof StoreLockedError)) {
        throw err
      }
    }
  }
  if (READING.some(key => config.origins[key] === 'flag')) {
    stderr.write('note: the running node has options of its own; with these flags the read goes past it, and nothing is kept\n')
    return await ownReader(context, 'memory')
  }
  return new RemoteReader(await runningNode(context))
}

async function ownReader (context: CommandContext, store?: 'memory'): Promise<Reader> {
  // loaded only where a node of its own is needed: asking a running one takes no second
  const { OwnReader } = await import('./own-reader.ts')
  return await OwnReader.start(context, store)
}
