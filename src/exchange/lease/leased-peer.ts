import { raceSignal } from '../../clock/race-signal.ts'
import { FetchError } from '../../interface/errors.ts'
import { isIncidental } from './lease-egress.ts'
import { LEASE_TAG } from './protection.ts'
import { overRelays } from './relays.ts'
import type { Dialled } from './lease-egress.ts'
import type { Lease, LeaseTarget } from './lease.ts'
import type { LeasedLibp2p } from './leases.ts'
import type { Protection } from './protection.ts'
import type { RelayRule } from './relays.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { Connection, PeerId } from '@libp2p/interface'

/** Milliseconds for the other side to agree that a connection ends, and for the peer store; then it is cut */
const END_TIMEOUT = 1_500

/** Milliseconds until a connection that still carries streams is looked at again: they idle out in tens of seconds */
const LOOK_AGAIN = 5_000

export interface LeasedPeerContext {
  readonly libp2p: LeasedLibp2p
  readonly clock: Clock
  readonly log: Logger
  readonly protection: Protection
  readonly idleTimeout: number
  readonly dialTimeout: number
  reach (target: LeaseTarget, signal: AbortSignal): Promise<Dialled>
  /** It has proven to be there */
  reached (address: string): void
  /** Nobody uses it any more, and it is not to be used again */
  ended (): void
}

/** One dial and those who wait for it */
interface Flight {
  readonly target: LeaseTarget
  readonly controller: AbortController
  readonly result: Promise<void>
  waiting: number
}

/** What is held of one peer: its leases, the dial that is under way, and which of its connections are ours */
export class LeasedPeer {
  readonly id: PeerId
  readonly text: string
  readonly #context: LeasedPeerContext
  /** Connections that we opened and nobody else asked for */
  readonly #own = new Map<string, Connection>()
  #held = 0
  #waiting = 0
  #flight: Flight | undefined
  #protected = false
  #ended = false
  #cancelIdle: () => void = () => {}

  constructor (id: PeerId, context: LeasedPeerContext) {
    this.id = id
    this.text = id.toString()
    this.#context = context
  }

  get held (): number {
    return this.#held
  }

  /** Leases, and those who wait for one */
  get users (): number {
    return this.#held + this.#waiting
  }

  get dialling (): boolean {
    return this.#flight != null
  }

  async acquire (target: LeaseTarget, signal: AbortSignal): Promise<Lease> {
    this.#cancelIdle()
    this.#waiting++

    try {
      return this.#lease(this.#open(target.relays) ?? await this.#connect(target, signal))
    } finally {
      this.#waiting--
      this.#rest()
    }
  }

  /** Sets the tag again, which does not hold for ever */
  renew (): void {
    if (this.#protected) {
      this.#context.protection.protect(this.id).catch(this.#lost)
    }
  }

  /** Ends the protection, and the connections that are ours and serve nobody. Never rejects, and takes a bounded time. */
  async end (): Promise<void> {
    if (this.#ended) {
      return
    }
    this.#ended = true
    this.#cancelIdle()
    this.#flight?.controller.abort(new DOMException('Connection leases were stopped', 'AbortError'))
    this.#context.ended()

    using timeout = this.#context.clock.timeout(END_TIMEOUT)
    const { signal } = timeout

    try {
      await raceSignal(this.#close(signal), signal)
    } catch (error) {
      this.#context.log('%s was not let go of in time - %e', this.text, error)
    } finally {
      this.#own.clear()
    }
  }

  async #close (signal: AbortSignal): Promise<void> {
    await this.#unprotect()

    const unused = [...this.#own.values()].filter(({ status, streams }) => status === 'open' && streams.every(({ protocol }) => isIncidental(protocol)))

    if (unused.length > 0 && !await this.#valued(signal)) {
      await Promise.all(unused.map(async connection => connection.close({ signal }).catch((error: Error) => { connection.abort(error) })))
    }
  }

  /** Has anybody else marked this peer as worth a connection? */
  async #valued (signal: AbortSignal): Promise<boolean> {
    try {
      const { tags } = await this.#context.libp2p.peerStore.get(this.id, { signal })
      return [...tags].some(([name, { value }]) => name !== LEASE_TAG && value > 0)
    } catch (error) {
      this.#context.log.trace('%s is not in the peer store - %e', this.text, error)
      return false
    }
  }

  #open (relays?: RelayRule): Connection | undefined {
    return bestConnection(overRelays(this.#context.libp2p.getConnections(this.id), relays, ({ remoteAddr }) => remoteAddr.toString()))
  }

  async #connect (target: LeaseTarget, signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const flight = this.#flight ?? this.#fly(target)
      const others = flight.target !== target

      try {
        await this.#join(flight, signal)
      } catch (error) {
        if (signal.aborted) {
          throw this.#error('cancelled', 'was not waited for any longer', signal.reason)
        }
        // the dial that we joined did not know all the addresses that we do
        if (others && !this.#ended && target.addresses.some(address => !flight.target.addresses.includes(address))) {
          continue
        }
        throw error
      }

      const connection = this.#open(target.relays)

      if (connection != null) {
        return connection
      }
      if (this.#open() != null) {
        throw this.#error('unreachable', 'is connected through a relay, and none is used in this mode that was not named, nor while hole punching (DCUtR) is on')
      }
      throw this.#error('unreachable', 'was reached, and closed the connection at once')
    }
  }

  async #join (flight: Flight, signal: AbortSignal): Promise<void> {
    flight.waiting++

    try {
      await raceSignal(flight.result, signal)
    } finally {
      if (--flight.waiting === 0) {
        // whoever comes now starts afresh
        this.#flight = this.#flight === flight ? undefined : this.#flight
        flight.controller.abort(new DOMException('Nobody waits for the connection any longer', 'AbortError'))
      }
    }
  }

  #fly (target: LeaseTarget): Flight {
    const controller = new AbortController()
    const result = this.#attempt(target, controller.signal).finally(() => {
      this.#flight = this.#flight === flight ? undefined : this.#flight
    })
    const flight: Flight = { target, controller, result, waiting: 0 }

    // those who wait are told; when all have left, nobody needs to be
    result.catch((error: unknown) => { this.#context.log.trace('%s was not dialled - %e', this.text, error) })
    this.#flight = flight
    return flight
  }

  async #attempt (target: LeaseTarget, left: AbortSignal): Promise<void> {
    const { clock, dialTimeout, reach } = this.#context
    using timeout = clock.timeout(dialTimeout)

    try {
      // before the connection, whose opening is when libp2p looks whom to prune: the newest without a tag
      await raceSignal(this.#protect(), left)
      const { connection, own } = await reach(target, AbortSignal.any([left, timeout.signal]))

      if (own && !this.#ended) {
        this.#own.set(connection.id, connection)
        connection.addEventListener('close', () => { this.#own.delete(connection.id) }, { once: true })
      }
    } catch (error) {
      if (left.aborted) {
        throw this.#error('cancelled', 'was not waited for any longer', left.reason)
      }
      if (timeout.signal.aborted && (error as Error).name !== FetchError.name) {
        throw this.#error('unreachable', `was not reached within ${dialTimeout} ms`, error)
      }
      throw error
    }
  }

  #lease (connection: Connection): Lease {
    if (this.#ended) {
      throw this.#error('cancelled', 'was reached too late: connection leases were stopped')
    }

    let released = false
    this.#held++

    // the far end of a connection that it opened is no place to find it at
    if (connection.direction === 'outbound') {
      this.#context.reached(connection.remoteAddr.toString())
    }

    this.#protect().catch(this.#lost)

    return {
      peer: this.text,
      connection,
      release: () => {
        if (!released) {
          released = true
          this.#held--
          this.#rest()
        }
      }
    }
  }

  async #unprotect (): Promise<void> {
    if (this.#protected) {
      this.#protected = false
      await this.#context.protection.release(this.id)
    }
  }

  async #protect (): Promise<void> {
    if (!this.#protected && !this.#ended) {
      this.#protected = true
      await this.#context.protection.protect(this.id)
    }
  }

  /** Nobody holds it: what is connected lingers for a while, what is not is forgotten */
  #rest (): void {
    if (this.users > 0 || this.#ended) {
      return
    }

    this.#restFor(this.#open() == null ? 0 : this.#context.idleTimeout)
  }

  #restFor (ms: number): void {
    this.#cancelIdle()
    this.#cancelIdle = this.#context.clock.schedule(ms, () => {
      if (this.#busy) {
        // whoever uses it may protect it
        this.#unprotect().catch(this.#lost)
        this.#restFor(LOOK_AGAIN)
      } else {
        this.end().catch(this.#lost)
      }
    })
  }

  /** A connection of ours still carries somebody's stream: one of our own that has not idled out, or the peer's */
  get #busy (): boolean {
    return [...this.#own.values()].some(({ status, streams }) => status === 'open' && !streams.every(({ protocol }) => isIncidental(protocol)))
  }

  readonly #lost = (error: unknown): void => {
    this.#context.log.error('the lease of %s is not in order - %e', this.text, error)
  }

  #error (outcome: FetchError['outcome'], why: string, cause?: unknown): FetchError {
    return new FetchError(outcome, `p2p:${this.text} ${why}`, { provider: `p2p:${this.text}`, ...(cause == null ? {} : { cause }) })
  }
}

/** The connection to use: direct rather than relayed, the oldest of those, on which most is known to work. Never a limited one. */
export function bestConnection (connections: readonly Connection[]): Connection | undefined {
  return connections
    .filter(({ status, limits }) => status === 'open' && limits == null)
    .sort((a, b) => Number(b.direct) - Number(a.direct) || a.timeline.open - b.timeline.open)[0]
}
