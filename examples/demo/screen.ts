import { stripVTControlCharacters, styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const { stdout } = process

/** A terminal somebody looks at; otherwise a pipe or a log, which get plain lines */
export const isTerminal = stdout.isTTY

// beyond this lines are too long for the eye; in a log nobody wraps
const WIDEST = 120
const NARROWEST = 60

export function width (): number {
  return Math.max(NARROWEST, Math.min(WIDEST, stdout.columns ?? WIDEST))
}

export function paint (style: Style, text: string): string {
  // honours NO_COLOR and terminals without colours
  return styleText(style, text, { stream: stdout })
}

export function print (line = ''): void {
  stdout.write(`${line}\n`)
}

export function heading (text: string): void {
  print()
  print(paint('bold', text))
}

/** Cuts to `columns`, marking the cut */
export function fit (text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`
}

/** Pads by what is seen, not by the codes that colour it */
export function pad (text: string, columns: number, side: 'left' | 'right' = 'right'): string {
  const gap = ' '.repeat(Math.max(0, columns - stripVTControlCharacters(text).length))
  return side === 'right' ? text + gap : gap + text
}

export function bytes (n: number): string {
  return n < 1024 ? `${n} B` : n < 1_048_576 ? `${(n / 1024).toFixed(n < 10_240 ? 1 : 0)} KiB` : `${(n / 1_048_576).toFixed(1)} MiB`
}

export function ms (n: number): string {
  return n < 1000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(2)} s`
}

/** One line that is redrawn in a terminal; a line per quarter elsewhere */
export class ProgressBar {
  readonly #total: number
  readonly #start = performance.now()
  #done = 0
  #quarter = 0
  #drawnAt = 0

  constructor (total: number) {
    this.#total = total
  }

  add (n: number): void {
    this.#done += n
    if (isTerminal) {
      // a redraw per frame is as much as anybody sees
      if (performance.now() - this.#drawnAt > 33) {
        this.#draw()
      }
      return
    }
    const quarter = Math.floor(this.#done * 4 / this.#total)
    if (quarter > this.#quarter && quarter < 4) {
      this.#quarter = quarter
      print(`  ${quarter * 25} %  ${this.#numbers()}`)
    }
  }

  /** Leaves the cursor on a fresh line */
  end (): number {
    const took = performance.now() - this.#start
    if (isTerminal) {
      this.#draw()
      stdout.write('\n')
    } else if (this.#done >= this.#total) {
      print(`  100 %  ${this.#numbers()}`)
    }
    return took
  }

  #numbers (): string {
    const elapsed = performance.now() - this.#start
    return `${bytes(this.#done)} of ${bytes(this.#total)} in ${ms(elapsed)}`
  }

  #draw (): void {
    this.#drawnAt = performance.now()
    const numbers = this.#numbers()
    const room = Math.max(10, Math.min(50, width() - numbers.length - 6))
    const full = Math.round(room * Math.min(1, this.#done / this.#total))
    stdout.write(`\r  ${paint('green', '█'.repeat(full))}${paint('gray', '░'.repeat(room - full))}  ${numbers}\u001b[K`)
  }
}
