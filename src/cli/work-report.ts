import { formatBytes } from '../gateway/html.ts'
import { streamSink } from './output-file.ts'
import { ProgressLine, bar } from './progress.ts'
import { terminalJson } from './terminal-text.ts'
import type { CommandContext } from './command.ts'
import type { Sink } from './output-file.ts'
import type { CacheProgress } from '../interface/cache.ts'

/**
 * How far a command is, and what came of it. For people a bar on the terminal and then a sentence, for programs (`--json`)
 * a line of JSON each, of which the last one has `done`.
 */
export class WorkReport {
  readonly json: boolean
  readonly #line: ProgressLine
  readonly #sink: Sink
  readonly #encoder = new TextEncoder()
  #writing: Promise<void> | undefined

  constructor ({ stdout, stderr, signal, flags, clock }: CommandContext) {
    this.json = flags.json === true
    this.#line = new ProgressLine(stderr, clock)
    this.#sink = streamSink(stdout, signal)
  }

  /** The bar is gone when it is over, however it ends */
  async during<T> (work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      this.#line.clear()
      await this.#writing
    }
  }

  async tell (progress: object, text: () => string): Promise<void> {
    if (this.json) {
      await this.#write(progress)
    } else {
      this.#line.show(text)
    }
  }

  /** Of `gc` and `clear`, which do not wait for whoever is told; where he is slow, he hears of less */
  readonly work = (progress: CacheProgress): void => {
    this.tellOf(progress, () => workText(progress))
  }

  /** The same of any work */
  tellOf (progress: object, text: () => string): void {
    if (this.#writing == null) {
      this.#writing = this.tell(progress, text).catch(() => {
        // whoever read is gone: the end of the work says so
      }).finally(() => { this.#writing = undefined })
    }
  }

  async end (result: object, text: string): Promise<void> {
    if (this.json) {
      await this.#write({ done: true, ...result })
    } else {
      await this.#sink.write(this.#encoder.encode(`${text}\n`))
    }
    await this.#sink.commit()
  }

  async #write (value: object): Promise<void> {
    await this.#sink.write(this.#encoder.encode(`${terminalJson(value, 0)}\n`))
  }
}

function workText (progress: CacheProgress): string {
  if (progress.phase === 'evict' && progress.totalBlocks === 0) {
    return 'looking for space to give back ...'
  }
  return progress.phase === 'evict'
    ? `${bar(progress.blocks, progress.totalBlocks)}  ${progress.blocks} of ${progress.totalBlocks} blocks gone`
    : `${bar(progress.bytes, progress.totalBytes)}  ${formatBytes(progress.bytes)} of ${formatBytes(progress.totalBytes)} given back`
}
