import type { RoutingEnvironment } from './environment.ts'

/** Denied reads look again after this share of the delay */
const RECHECK = 0.25

/** Denied this often, a read has waited half again the delay and may take the reserve */
const PATIENT_DENIALS = 2

/** When one retrieval may ask a second provider: armed by every dispatch, due after the usual time without an answer */
export class HedgeTimer {
  readonly #env: RoutingEnvironment
  readonly #usual: () => number | undefined
  readonly #onDue: () => void
  #cancel: () => void = () => {}
  #sent = 0
  #denials = 0
  #due = false
  #over = false

  constructor (env: RoutingEnvironment, usual: () => number | undefined, onDue: () => void) {
    this.#env = env
    this.#usual = usual
    this.#onDue = onDue
  }

  get due (): boolean {
    return this.#due
  }

  arm (): void {
    this.#wait(this.#delay)
  }

  /** Looks again after this many milliseconds */
  armIn (ms: number): void {
    this.#wait(Math.max(1, ms))
  }

  /** Pays for a hedge; when the budget says no, it is due again a little later */
  spend (): boolean {
    const { hedges, params } = this.#env

    if (hedges.spend(this.#denials >= PATIENT_DENIALS ? 0 : params.hedge.reserve)) {
      this.#sent++
      this.#denials = 0
      return true
    }

    this.#denials++
    this.#wait(Math.max(1, this.#delay * RECHECK))
    return false
  }

  stop (): void {
    this.#over = true
    this.#cancel()
    this.#due = false
  }

  /** The usual time of recent attempts; while there are none, less and less for every further hedge */
  get #delay (): number {
    const recent = this.#usual()
    return this.#env.hedges.delay(recent == null ? this.#sent : 0, recent, this.#env.windows.all.count === 0)
  }

  #wait (ms: number): void {
    this.#cancel()
    this.#due = false

    if (this.#over) {
      return
    }

    this.#cancel = this.#env.clock.schedule(ms, () => {
      this.#due = true
      this.#onDue()
    })
  }
}
