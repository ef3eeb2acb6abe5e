import { raceSignal } from '../clock/race-signal.ts'
import { StoreLockedError } from '../config/errors.ts'
import { isOwnNode } from './control-egress.ts'
import { readControl } from './control-file.ts'
import { RemoteReader } from './remote-reader.ts'
import type { CommandContext } from './command.ts'
import type { ConfigKey } from '../config/schema.ts'
import type { Reader } from './reader.ts'

/** Options that change how a read is done: a node that runs already has its own */
const READING: readonly ConfigKey[] = ['routing.mode', 'routing.providers', 'routing.allowAddresses', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap', 'exchange.siblings']

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
  const { config, stderr, signal, clock } = context
  const { isStoreLocked } = await import('../config/store.ts')

  // what a node wrote down is believed only while somebody has the store: a node that was killed left it behind
  if (!await raceSignal(isStoreLocked(config.store), signal)) {
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
  const running = await readControl(config.store)
  if (running != null && await isOwnNode(running, { signal, clock })) {
    return new RemoteReader(running)
  }
  throw new StoreLockedError(`the store ${config.store} is in use by another process, and no node that runs on it answers: another command has it, or a node that starts or stops; try again in a moment, or choose another directory with --store DIR`)
}

async function ownReader (context: CommandContext, store?: 'memory'): Promise<Reader> {
  // loaded only where a node of its own is needed: asking a running one takes no second
  const { OwnReader } = await import('./own-reader.ts')
  return await OwnReader.start(context, store)
}
