import { fileProblem } from '../privacy/proofs/bounded-file.ts'
import { EXIT_FAILURE, EXIT_SIGINT, EXIT_SIGTERM } from './exit-code.ts'

/** The command was told to end */
export class Interrupted extends Error {
  static override name = 'Interrupted'
  override name = 'Interrupted'
  readonly why: 'SIGINT' | 'SIGTERM' | 'closed' | 'unwritable'

  constructor (why: Interrupted['why']) {
    super(why === 'closed' ? 'the output was closed' : why === 'unwritable' ? 'the output cannot be written' : `interrupted by ${why}`)
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
  #unwritable = false

  constructor (process: NodeJS.Process) {
    this.#process = process
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
    process.stdout.on('error', err => { this.#onOutputError(err, true) })
    process.stderr.on('error', err => { this.#onOutputError(err, false) })
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
  #onOutputError (err: NodeJS.ErrnoException, isResult: boolean): void {
    if (err.code === 'EPIPE') {
      this.#controller.abort(new Interrupted('closed'))
    } else if (isResult && !this.#unwritable) {
      this.#unwritable = true
      this.#process.stderr.write(`portolan: the output cannot be written: ${fileProblem(err)}\n`)
      // the command may be through with its work, and be about to say that all went well
      this.#process.once('exit', () => { this.#process.exitCode = EXIT_FAILURE })
      this.#controller.abort(new Interrupted('unwritable'))
    }
    // a log that finds no room is no reason to end what is logged: nobody could be told
  }
}
