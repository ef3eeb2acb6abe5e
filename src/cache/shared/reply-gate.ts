/** Errors of Redis are shorter than this, and nothing else that is asked for comes in a line */
const MAX_LINE = 4096

const LF = 10
const CR = 13

/**
 * What a server may send: one reply for each command, each a line or a string that is no
 * longer than what was asked for. The client behind it believes what it is told: it would
 * gather a string of half a gigabyte, and a reply that nobody asked for can end the process
 * (ioredis 6.0.0 throws from a callback of its own for a null or a push of nulls). So
 * whatever is not expected ends the connection here.
 */
export class ReplyGate {
  /** Of each reply to come: bytes of its string */
  readonly #expected: number[] = []
  /** The beginning of a line that is not complete */
  #line = ''
  /** Bytes of a string that are still to come, with its line end */
  #rest = 0

  get pending (): number {
    return this.#expected.length
  }

  /** A command was sent, and its reply has no more than `maxBytes` */
  expect (maxBytes: number): void {
    this.#expected.push(maxBytes)
  }

  /** @returns what is wrong with it; undefined: it may be read */
  check (chunk: Uint8Array): string | undefined {
    let at = 0

    while (at < chunk.length) {
      if (this.#rest > 0) {
        const end = Math.min(chunk.length, at + this.#rest)
        const wrong = this.#string(chunk, at, end)
        if (wrong != null) {
          return wrong
        }
        at = end
        continue
      }
      if (this.#expected.length === 0) {
        return 'it sent something that nobody asked for'
      }

      const newline = chunk.indexOf(LF, at)
      const end = newline === -1 ? chunk.length : newline + 1
      if (this.#line.length + end - at > MAX_LINE) {
        return `it sent a line of more than ${MAX_LINE} bytes`
      }
      this.#line += text(chunk, at, end)
      at = end

      if (newline !== -1) {
        const line = this.#line
        this.#line = ''
        const wrong = this.#reply(line)
        if (wrong != null) {
          return wrong
        }
      }
    }
    return undefined
  }

  #string (chunk: Uint8Array, from: number, end: number): string | undefined {
    this.#rest -= end - from
    // of the last two bytes of the string, those that are in this part
    for (let at = Math.max(from, end + this.#rest - 2); at < end; at++) {
      if (chunk[at] !== (end + this.#rest - at === 2 ? CR : LF)) {
        return 'it sent a string that does not end where it said'
      }
    }
    if (this.#rest === 0) {
      this.#expected.shift()
    }
    return undefined
  }

  #reply (line: string): string | undefined {
    // the client takes the first CR for the end
    if (line.indexOf('\r') !== line.length - 2) {
      return 'it does not speak the Redis protocol'
    }
    const value = line.slice(1, -2)

    switch (line[0]) {
      case '+':
      case '-':
        this.#expected.shift()
        return undefined
      case ':':
        this.#expected.shift()
        return /^-?\d{1,19}$/.test(value) ? undefined : 'it sent a number that is none'
      case '$': {
        if (value === '-1') {
          this.#expected.shift()
          return undefined
        }
        if (!/^(?:0|[1-9]\d{0,14})$/.test(value)) {
          return 'it sent a string whose length is no number'
        }
        const most = this.#expected[0] ?? 0
        if (Number(value) > most) {
          return `it sent ${value} bytes where at most ${most} were asked for`
        }
        this.#rest = Number(value) + 2
        return undefined
      }
      default:
        return 'it does not speak the Redis protocol'
    }
  }
}

function text (bytes: Uint8Array, from: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString('latin1')
}
