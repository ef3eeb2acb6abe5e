import { readControl } from './control-file.ts'
import { nodeInit } from './node-init.ts'
import { NodeGoneError, RemoteReader } from './remote-reader.ts'
import type { CommandContext } from './command.ts'
import type { ConfigKey } from '../config/schema.ts'
import type { Reader } from './reader.ts'

/** Options that change how a read is done: a node that runs already has its own */
const READING: readonly ConfigKey[] = ['routing.mode', 'routing.providers', 'routing.allowAddresses', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap']

/**
 * Uses the node that runs on the store, else a node of the command's own.
 * Flags that a running node could not honour are honoured by reading without it.
 */
export async function withReader<T> (context: CommandContext, use: (reader: Reader) => Promise<T>): Promise<T> {
  const { config, stderr, environment } = context
  const running = await readControl(config.store)
  const own = READING.filter(key => config.origins[key] === 'flag')
  let store = config.store

  if (running != null && own.length === 0) {
    try {
      return await use(new RemoteReader(running))
    } catch (err) {
      if (!(err instanceof NodeGoneError)) {
        throw err
      }
    }
  } else if (running != null && isAlive(running.record.pid)) {
    stderr.write('note: the running node has options of its own; with these flags the read goes past it, and nothing is kept\n')
    store = 'memory'
  }

  // loaded only where a node of its own is needed: asking a running one takes no second
  const { OwnReader } = await import('./own-reader.ts')
  const reader = await OwnReader.start({ ...nodeInit(config, environment), store })
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (err) {
    // somebody else's process has the number: alive, and not ours to ask
    return (err as NodeJS.ErrnoException).code === 'EPERM'
  }
}
