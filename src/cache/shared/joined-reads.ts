import { raceSignal } from '../../clock/race-signal.ts'

interface Question {
  readonly answer: Promise<Uint8Array | undefined>
  readonly over: AbortController
  readers: number
}

/** Readers of one block at once ask once, and each may leave; the question ends with the last of them */
export class JoinedReads {
  readonly #questions = new Map<string, Question>()

  has (key: string): boolean {
    return this.#questions.has(key)
  }

  async join (key: string, ask: (signal: AbortSignal) => Promise<Uint8Array | undefined>, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const question = this.#questions.get(key) ?? this.#ask(key, ask)
    question.readers++

    try {
      return await raceSignal(question.answer, signal)
    } finally {
      if (--question.readers === 0) {
        // who comes now asks anew
        this.#end(key, question)
        question.over.abort(new DOMException('Nobody waits for it any longer', 'AbortError'))
      }
    }
  }

  #ask (key: string, ask: (signal: AbortSignal) => Promise<Uint8Array | undefined>): Question {
    const over = new AbortController()
    const question: Question = { answer: ask(over.signal), over, readers: 0 }
    this.#questions.set(key, question)
    // each reader hears of it by himself
    question.answer.catch(() => {}).finally(() => { this.#end(key, question) })
    return question
  }

  #end (key: string, question: Question): void {
    if (this.#questions.get(key) === question) {
      this.#questions.delete(key)
    }
  }
}
