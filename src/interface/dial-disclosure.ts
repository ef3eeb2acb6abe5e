import type { Disclosure, Observer } from './disclosure.ts'

/** Type of the progress event by which our transports ask on whose behalf they dial */
export const DIALLING = 'portolan:dialling'

/** Its detail: whoever waits for the dial puts in what it is disclosed with, and what is to be called when it is over */
export interface Dialling {
  disclosure?: Disclosure
  over?: () => void
}

/**
 * That somebody connects, who may have been about to say more: disclosed apart,
 * since connections are made for requests that are withdrawn before they are
 * written. Of two who wait for one dial the one that began it has made it.
 */
export class DialDisclosure {
  readonly disclosure: Disclosure
  #own = false
  #others = false
  /** Dials of ours, to one address each, that are not over */
  #running = 0
  #failed = false

  /** @param disclosure - of nothing but the dial */
  constructor (disclosure: Disclosure) {
    this.disclosure = disclosure
  }

  /** @param request - what the connection is wanted for */
  static for (request: Disclosure, observer: Observer = request.observer): DialDisclosure {
    return new DialDisclosure(request.also({ observer, form: 'none', transport: 'dial', audience: 'one' }))
  }

  /** For the progress of a dial of libp2p */
  readonly onProgress = ({ type, detail }: { readonly type: string, readonly detail?: unknown }): void => {
    if (type === DIALLING) {
      const dialling = detail as Dialling

      if (dialling.disclosure == null) {
        this.#own = true
        this.#running++
        dialling.disclosure = this.disclosure
        dialling.over = this.#over
      }
    } else if (type === 'dial-queue:already-in-dial-queue' || type === 'dial-queue:already-connected') {
      this.#others = true
    }
  }

  reached (): void {
    if (this.#own || !this.#others) {
      this.disclosure.sent()
    } else {
      this.disclosure.notSent()
    }
  }

  /** @param tried - `false`: our own node did not try */
  failed (tried: boolean): void {
    if (this.#running > 0) {
      // we do not wait any more, and others may: it is known when the dial itself is over
      this.#failed = true
    } else if (tried && (this.#own || !this.#others)) {
      // a handshake may have begun
      this.disclosure.unknown()
    } else {
      this.disclosure.notSent()
    }
  }

  readonly #over = (): void => {
    this.#running--

    if (this.#running === 0 && this.#failed) {
      this.disclosure.unknown()
    }
  }
}
