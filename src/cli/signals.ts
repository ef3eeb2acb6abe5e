import { EXIT_SIGINT, EXIT_SIGTERM } from './exit-code.ts'

/** The command was told to end */
export class Interrupted extends Error {
  static override name = 'Interrupted'
  override name = 'Interrupted'
  readonly why: 'SIGINT' | 'SIGTERM' | 'closed'

  constructor (why: Interrupted['why']) {
    super(why === 'closed' ? 'the output was closed' : `interrupted by ${why}`)
    this.why = why
  }
}

/**
 * Turns Ctrl-C, SIGTERM and a closed pipe into one abort signal. The second
 * Ctrl-C ends the process at once: whoever presses it twice means it.
 */
export class Signals {
  readonly #process: NodeJS.Process
  readonly #controller = new AbortController()

  constructor (process: NodeJS.Process) {
    this.#process = process
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
    process.stdout.on('error', this.#onOutputError)
    process.stderr.on('error', this.#onOutputError)
  }

  get signal (): AbortSignal {
    return this.#controller.signal
  }

  close (): void {
    this.#process.off('SIGINT', this.#onSignal)
    this.#process.off('SIGTERM', this.#onSignal)
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.signal.aborted) {
      this.#process.exit(name === 'SIGINT' ? EXIT_SIGINT : EXIT_SIGTERM)
    }
    this.#controller.abort(new Interrupted(name === 'SIGINT' ? 'SIGINT' : 'SIGTERM'))
  }

  // stays after `close`: the last lines may be written into a pipe that nobody reads
  readonly #onOutputError = (err: NodeJS.ErrnoException): void => {
    if (err.code !== 'EPIPE') {
      throw err
    }
    this.#controller.abort(new Interrupted('closed'))
  }
}
