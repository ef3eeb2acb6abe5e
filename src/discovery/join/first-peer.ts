import type { Clock } from '../../interface/clock.ts'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'

export interface FirstPeerComponents {
  readonly clock: Clock
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  /** Whether a peer of the DHT is known that can be asked */
  anybody (): boolean
}

/** Milliseconds after the start in which a lookup waits for the first peer: a dial and its identify, some times over */
const WAIT = 10_000

/** Whether there is anybody to ask: a node that has just started waits for them */
export class FirstPeer {
  readonly #components: FirstPeerComponents
  #startedAt = 0
  #running: AbortController | undefined

  constructor (components: FirstPeerComponents) {
    this.#components = components
  }

  start (): void {
    this.#startedAt = this.#components.clock.now()
    this.#running ??= new AbortController()
  }

  /** Whoever waits hears that nobody is there */
  stop (): void {
    this.#running?.abort()
    this.#running = undefined
  }

  /** Never rejects */
  async joined (signal: AbortSignal): Promise<boolean> {
    const { clock, events, anybody } = this.#components
    const running = this.#running?.signal
    const left = this.#startedAt + WAIT - clock.now()

    if (running == null || signal.aborted || anybody() || left <= 0) {
      return running != null && !signal.aborted && anybody()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const onUpdate = (): void => {
      if (anybody()) {
        resolve()
      }
    }
    const onAbort = (): void => { resolve() }
    const cancel = clock.schedule(left, resolve)

    events.addEventListener('peer:update', onUpdate)
    signal.addEventListener('abort', onAbort)
    running.addEventListener('abort', onAbort)
    try {
      await promise
    } finally {
      cancel()
      events.removeEventListener('peer:update', onUpdate)
      signal.removeEventListener('abort', onAbort)
      running.removeEventListener('abort', onAbort)
    }
    return anybody() && !signal.aborted && !running.aborted
  }
}
