import { join } from 'node:path'
import { MIN_MAX_BYTES } from '../cache/params.ts'
import { StoreError } from '../config/errors.ts'
import { readPrivateFile, writePrivateFile } from '../config/private-file.ts'
import type { CommandContext } from './command.ts'

const RECORD = 'cache-size'

/** Of `--cache-size`, for commands that open a cache as it was left */
export const SIZE_AS_BEFORE = 'the size that the last serve had there, else 10 GiB, or half of what is free there if that is less'

/** What the cache of a store may take, for commands that open it when the node is gone: a flag of `serve` is known to nobody else */
export async function recordCacheSize (directory: string, bytes: number): Promise<void> {
  if (await readCacheSize(directory) !== bytes) {
    await writePrivateFile(join(directory, RECORD), `${bytes}\n`)
  }
}

/** The size that a command was told, else the one that the last node had: whoever only looks evicts nothing */
export async function cacheSizeAsBefore ({ config }: Pick<CommandContext, 'config'>): Promise<number | undefined> {
  const told = config.values['cache.size']
  return told === 0 ? await readCacheSize(config.store) : told
}

async function readCacheSize (directory: string): Promise<number | undefined> {
  let text = ''
  try {
    text = (await readPrivateFile(join(directory, RECORD)))?.text ?? ''
  } catch (err) {
    // a directory that cannot be used is told by the start, which knows what to do about it
    if (!(err instanceof StoreError)) {
      throw err
    }
  }
  const bytes = Number(text.trim())
  // what was not written by us says nothing
  return Number.isSafeInteger(bytes) && bytes >= MIN_MAX_BYTES ? bytes : undefined
}
