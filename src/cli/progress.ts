import { formatBytes } from '../gateway/html.ts'
import type { Clock } from '../interface/clock.ts'

/** Redrawn ten times a second: faster than the eye needs is flicker over a slow terminal */
const INTERVAL = 100
const CLEAR = '\r\u001b[K'

/** A line on a terminal that is drawn over again; says nothing where there is no terminal */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream
  readonly #clock: Clock
  #drawn = false
  #last = -Infinity

  constructor (stream: NodeJS.WriteStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  show (text: () => string): void {
    const now = this.#clock.now()
    if (!this.#stream.isTTY || now - this.#last < INTERVAL) {
      return
    }
    this.#last = now
    this.#drawn = true
    // a terminal that does not know its width says 0
    const width = this.#stream.columns > 0 ? this.#stream.columns : 80
    this.#stream.write(`${CLEAR}${text().slice(0, width - 1)}`)
  }

  clear (): void {
    if (this.#drawn) {
      this.#stream.write(CLEAR)
      this.#drawn = false
    }
  }
}

const WIDTH = 24

/** `[########----] 42%  1.2 MB of 2.9 MB  3.4 MB/s` */
export function transferLine (done: number, total: number | undefined, milliseconds: number): string {
  const speed = milliseconds > 0 ? `  ${formatBytes(done / milliseconds * 1000)}/s` : ''

  if (total == null || total === 0) {
    return `${formatBytes(done)}${speed}`
  }
  return `${bar(done, total)}  ${formatBytes(done)} of ${formatBytes(total)}${speed}`
}

/** `[########----] 42%`; of nothing all is done */
export function bar (done: number, total: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 1
  const filled = Math.floor(share * WIDTH)
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] ${Math.floor(share * 100)}%`
}
