import { existsSync } from 'node:fs'
import { StoreLockedError } from '../config/errors.ts'
import { RemoteReader } from './remote-reader.ts'
import { readsItsOwnWay, unheeded } from './reading-options.ts'
import { runningNode, storeIsTaken } from './running-node.ts'
import { terminalText } from './terminal-text.ts'
import type { CommandContext } from './command.ts'
import type { Reader } from './reader.ts'

/**
 * Uses the node that runs on the store, else a node of the command's own.
 * Flags that a running node could not honour are honoured by reading without it;
 * of what else says how to read, a note tells that the node does not heed it.
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
  const { config } = context
  const note = (text: string): void => { context.stderr.write(terminalText(`note: ${text}\n`)) }
  // a variable with a typo may be the mode that somebody counts on
  config.warnings.forEach(note)

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
  if (readsItsOwnWay(config)) {
    note('the running node has options of its own; with these flags the read goes past it, and nothing is kept')
    return await ownReader(context, 'memory')
  }
  const node = await runningNode(context)
  const ignored = unheeded(config, node.record.reading)
  if (ignored != null) {
    note(ignored)
  }
  return new RemoteReader(node)
}

async function ownReader (context: CommandContext, store?: 'memory'): Promise<Reader> {
  const { config, stderr } = context
  const made = store == null && !existsSync(config.store)
  // loaded only where a node of its own is needed: asking a running one takes no second
  const { OwnReader } = await import('./own-reader.ts')
  const reader = await OwnReader.start(context, store)

  if (made) {
    // the name may have been mistyped, and the node that has the block be another
    stderr.write(terminalText(`note: there was no store at ${config.store}, a new one was made; --store DIR names another\n`))
  }
  return reader
}
