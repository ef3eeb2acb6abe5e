import { raceSignal } from '../../clock/race-signal.ts'
import { jittered } from '../../clock/random.ts'
import { KadRequestError } from '../kad/kad-client.ts'
import { peerBytes } from '../kad/kad-key.ts'
import type { RememberedPeers } from './remembered-peers.ts'
import type { KadClient, KadPeer } from '../kad/kad-client.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'

export interface JoinerComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly client: Pick<KadClient, 'findNode'>
  /** Our own peer id */
  readonly self: string
  /** Peers that answered before, in this run or an earlier one */
  readonly remembered: Pick<RememberedPeers, 'ready' | 'failed' | 'size'>
  /** Whom the operator named */
  named (signal: AbortSignal): Promise<readonly KadPeer[]>
  /** Whether a peer of the DHT is connected */
  connected (): boolean
}

export interface JoiningStats {
  /** Peers that are remembered as ways into the DHT */
  readonly remembered: number
  /** Times that the way was looked for */
  readonly rounds: number
  readonly answered: number
  readonly failed: number
}

/** Milliseconds between two looks at whether we are cut off: connections end without a word, and lookups in between find it out by themselves */
const LOOK = 30_000
/** Milliseconds until the rest of the node has started too */
const STARTING = 100
/** Milliseconds after a round that found nobody; twice as long after each one more. A laptop that opens has its network within seconds. */
const FIRST_PAUSE = 5_000
/** Milliseconds: somebody who comes back is found within this time, and an hour costs a dozen tries of each */
const LAST_PAUSE = 300_000
/** Dials at a time, of those who were named and of those who are remembered: neither waits for the other */
const CONCURRENCY = 4
/** Remembered peers that are tried in one round */
const MAX_TRIED = 32
/** Answers of remembered peers that end a round: any of them may have become useless or worse. One of a named peer does too. */
const ENOUGH = 3
/** Milliseconds for one of them, names looked up and hands shaken */
const PATIENCE = 8_000

/**
 * The way into the DHT, and back into it: asks those who were named and those
 * who answered before, whenever nobody is connected. Contacts nobody else.
 */
export class Joiner {
  readonly #components: JoinerComponents
  readonly #log: Logger
  readonly #counts = { rounds: 0, answered: 0, failed: 0 }
  #running: AbortController | undefined
  #cancelTick: () => void = () => {}
  #pause = FIRST_PAUSE

  constructor (components: JoinerComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('portolan:discovery:join')
  }

  start (): void {
    if (this.#running == null) {
      this.#running = new AbortController()
      this.#pause = FIRST_PAUSE
      this.#later(STARTING, this.#running.signal)
    }
  }

  /** Ends the dials that are under way */
  stop (): void {
    this.#cancelTick()
    this.#running?.abort()
    this.#running = undefined
  }

  stats (): JoiningStats {
    return { remembered: this.#components.remembered.size, ...this.#counts }
  }

  /** Never rejects */
  async #tick (running: AbortSignal): Promise<void> {
    const { random, connected } = this.#components
    const joined = connected() || await this.#round(running)

    if (running.aborted) {
      return
    }
    const pause = joined ? LOOK : this.#pause
    this.#pause = joined ? FIRST_PAUSE : Math.min(LAST_PAUSE, 2 * this.#pause)
    this.#later(jittered(pause, random), running)
  }

  #later (ms: number, running: AbortSignal): void {
    this.#cancelTick = this.#components.clock.schedule(ms, () => { void this.#tick(running) })
  }

  /** @returns whether anybody answered */
  async #round (running: AbortSignal): Promise<boolean> {
    const { remembered } = this.#components
    const over = new AbortController()
    const end = (): void => { over.abort() }
    let heard = 0

    running.addEventListener('abort', end)
    this.#counts.rounds++
    try {
      const named = await this.#named(over.signal)
      const names = new Set(named.map(({ id }) => id))

      await Promise.all([
        this.#lane(named, over.signal, () => {
          heard++
          end()
        }),
        this.#lane(remembered.ready().filter(({ id }) => !names.has(id)).slice(0, MAX_TRIED), over.signal, () => {
          if (++heard >= ENOUGH) {
            end()
          }
        })
      ])
    } finally {
      running.removeEventListener('abort', end)
    }
    this.#log(heard > 0 ? 'joined: %d answered' : 'nobody answered, %d', heard)
    return heard > 0
  }

  /** Never rejects: those who are remembered may do */
  async #named (over: AbortSignal): Promise<readonly KadPeer[]> {
    const { clock, named } = this.#components
    using timeout = clock.timeout(PATIENCE)

    try {
      const signal = AbortSignal.any([over, timeout.signal])
      return await raceSignal(named(signal), signal)
    } catch (err) {
      this.#log.error('could not read who was named - %e', err)
      return []
    }
  }

  /** A few at a time, in this order. Never rejects. */
  async #lane (peers: readonly KadPeer[], over: AbortSignal, onAnswer: () => void): Promise<void> {
    const rest = [...peers]
    const work = async (): Promise<void> => {
      for (let peer = rest.shift(); peer != null && !over.aborted; peer = rest.shift()) {
        if (await this.#ask(peer, over)) {
          onAnswer()
        }
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
  }

  /** Whom does it know near us? To answer that it has to be there, and in this network. Never rejects. */
  async #ask (peer: KadPeer, over: AbortSignal): Promise<boolean> {
    const { clock, client, self, remembered } = this.#components
    using timeout = clock.timeout(PATIENCE)

    try {
      await client.findNode(peer, peerBytes(self), undefined, { signal: AbortSignal.any([over, timeout.signal]) })
      this.#counts.answered++
      return true
    } catch (err) {
      const reason = err instanceof KadRequestError ? err.reason : undefined

      // what our own node did not try says nothing about the peer
      if (!over.aborted && reason !== 'declined') {
        this.#counts.failed++
        remembered.failed(peer.id, reason === 'refused')
      }
      this.#log('%s gave no answer - %e', peer.id, err)
      return false
    }
  }
}
