import { raceSignal } from '../clock/race-signal.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { CID } from 'multiformats/cid'

/** A store of pins that does not answer within so many ms says nothing; it is asked again after as long */
const PIN_TIMEOUT = 5_000

type IsPinned = (cid: CID) => boolean | Promise<boolean>

export interface PinsInit {
  readonly clock: Clock
  readonly log: Logger
}

/** What must not go, though nobody authored it here: asked of whoever knows */
export class Pins {
  readonly #clock: Clock
  readonly #log: Logger
  #isPinned: IsPinned = () => false
  /** It answers before it returns */
  #isPrompt = true
  #again = 0

  constructor ({ clock, log }: PinsInit) {
    this.#clock = clock
    this.#log = log
  }

  attach (isPinned: IsPinned): void {
    this.#isPinned = isPinned
    this.#isPrompt = true
  }

  /** Pins could not be looked up: nothing is evicted until then */
  get again (): number {
    return this.#again
  }

  /** Undefined when it cannot be looked up */
  async ask (cid: CID): Promise<boolean | undefined> {
    using timeout = this.#clock.timeout(PIN_TIMEOUT)
    try {
      return await raceSignal(this.#ask(cid), timeout.signal)
    } catch (err) {
      this.#failed(cid, err)
      return undefined
    }
  }

  /**
   * Asked once more in the turn in which a block goes: it may have been pinned since `ask` was told that it is not. Of
   * whoever has to look that up nothing more can be known in that turn.
   */
  isKnownByNow (cid: CID): boolean {
    try {
      return this.#isPrompt && this.#isPinned(cid) !== false
    } catch (err) {
      this.#failed(cid, err)
      return true
    }
  }

  async #ask (cid: CID): Promise<boolean> {
    const answer = this.#isPinned(cid)
    this.#isPrompt &&= typeof answer === 'boolean'
    return answer
  }

  #failed (cid: CID, err: unknown): void {
    const now = this.#clock.now()

    if (now >= this.#again) {
      this.#log.error('it could not be found out whether %c is pinned, so it stays, as do all others for now - %e', cid, err)
    }
    this.#again = now + PIN_TIMEOUT
  }
}
