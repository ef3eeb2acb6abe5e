import { shellWord } from './terminal-text.ts'
import type { ExposureReport } from '../privacy/ledger/exposure-report.ts'
import type { CID } from 'multiformats/cid'

/** A file about to be read */
export interface OpenFile {
  readonly size?: number
  readonly bytes: AsyncIterable<Uint8Array>
}

export interface Explained {
  /** For people */
  readonly text: string
  /** For programs */
  readonly story: unknown
  /** Who learnt of it, where that was asked for */
  readonly privacy?: ExposureReport
  /** Why the block could not be had, if it could not */
  readonly error?: string
}

export interface ReadOptions {
  readonly signal: AbortSignal
  /** One line about what is going on */
  readonly onProgress?: (text: string) => void
}

/** Reads content for a command: through the node that runs, or by itself */
export interface Reader {
  open (target: Target, options: ReadOptions): Promise<OpenFile>
  explain (target: Target, options: ReadOptions & { privacy?: boolean }): Promise<Explained>
  close (): Promise<void>
}

/** `CID/a/b`, taken apart */
export interface Target {
  readonly root: CID
  readonly segments: readonly string[]
}

export function targetText ({ root, segments }: Target): string {
  return [root, ...segments].join('/')
}

/** A directory was asked for where a file is needed */
export class DirectoryError extends Error {
  static override name = 'DirectoryError'
  override name = 'DirectoryError'

  constructor (target: Target, entries: readonly string[]) {
    const text = targetText(target)
    // names come from whoever made the directory: nothing of them may steer a terminal, or the shell it is pasted into
    const shown = entries.map(name => `  portolan get ${shellWord(`${text}/${name}`)}`)
    super(entries.length === 0
      ? `${text} is an empty directory`
      : `${text} is a directory. Get one of its files:\n${shown.join('\n')}`)
  }
}
