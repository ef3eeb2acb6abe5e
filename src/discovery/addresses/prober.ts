import { raceSignal } from '../../clock/race-signal.ts'
import { jittered } from '../../clock/random.ts'
import { probe } from './probe-egress.ts'
import type { AddressBook, DueProbe } from './address-book.ts'
import type { ProbeConnections, ProbeOutcome } from './probe-egress.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Logger } from '../../interface/logger.ts'

export interface ProberComponents {
  readonly book: AddressBook
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Undefined or throwing while there is no node */
  connections (): ProbeConnections | undefined
  /** A peer is about to be dialled: purpose `probe`, and no CID */
  disclose (peer: string): Disclosure
  /** What of an address may be dialled as it stands, names resolved and checked. Rejects only with the signal's reason. */
  check (address: string, peer: string, options: { signal: AbortSignal, discloseName (): Disclosure }): Promise<readonly string[]>
  /** Whether somebody is about to use a connection to the peer */
  inUse? (peer: string): boolean
}

/** Milliseconds between two looks at what is due; a quarter more or less by chance */
export const PROBE_TICK = 60_000
/** Probes under way at a time, and begun by one look */
export const MAX_PROBES = 20
/** Milliseconds for one: names, a dial and a handshake, many times over */
const PROBE_TIMEOUT = 5_000

export interface ProbeCounts {
  readonly probes: number
  readonly reached: number
  readonly failed: number
}

/** Tries addresses in the background, on one tick: a few at a time, and none of what is known from use */
export class Prober {
  readonly #components: ProberComponents
  readonly #counts = { probes: 0, reached: 0, failed: 0 }
  #active = 0
  #running: AbortController | undefined
  #cancelTick: () => void = () => {}

  constructor (components: ProberComponents) {
    this.#components = components
  }

  start (): void {
    if (this.#running == null) {
      this.#running = new AbortController()
      this.#tickLater()
    }
  }

  stop (): void {
    this.#cancelTick()
    this.#running?.abort(new DOMException('Addresses are not looked after any more', 'AbortError'))
    this.#running = undefined
  }

  stats (): ProbeCounts {
    return { ...this.#counts }
  }

  #tickLater (): void {
    const { clock, random } = this.#components
    const wait = jittered(PROBE_TICK, random)
    const expected = clock.now() + wait

    this.#cancelTick = clock.schedule(wait, () => {
      // a tick that comes very late comes after a sleep: everything is due, and the network may not be back yet
      if (clock.now() - expected < PROBE_TICK) {
        this.#look()
      }
      this.#tickLater()
    })
  }

  #look (): void {
    const { book, clock, log } = this.#components
    const signal = this.#running?.signal
    book.prune(clock.now())

    try {
      const connections = this.#components.connections()

      if (connections != null && signal != null) {
        const connected = new Set(connections.getConnections().map(({ remotePeer }) => remotePeer.toString()))

        for (const due of book.due(clock.now(), MAX_PROBES - this.#active, peer => connected.has(peer))) {
          this.#active++
          void this.#probe(connections, due, signal).finally(() => { this.#active-- })
        }
      }
    } catch (err) {
      log.trace('no node to probe from - %e', err)
    }
  }

  /** Never rejects */
  async #probe (connections: ProbeConnections, due: DueProbe, signal: AbortSignal): Promise<void> {
    const { book, clock, log, check, disclose, inUse } = this.#components
    const startedAt = clock.now()
    const { peer, address } = due
    using timeout = clock.timeout(PROBE_TIMEOUT)
    const either = AbortSignal.any([signal, timeout.signal])
    const disclosure = disclose(peer)
    const discloseName = (): Disclosure => disclosure.also({ observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' })

    try {
      const checked = await raceSignal(check(address, peer, { signal: either, discloseName }), either)

      // a name that leads nowhere just now may be in order tomorrow
      if (checked.length > 0) {
        this.#counts.probes++
        const outcome = await probe(connections, peer, checked, disclosure, { signal: either, inUse })

        if (!signal.aborted) {
          this.#settle(outcome, due, startedAt, connections.getConnections().length > 0)
        }
      }
    } catch (err) {
      log.trace('%s was not tried at %s - %e', peer, address, err)
    } finally {
      // a name that led nowhere
      disclosure.notSent()
      book.probed(due, clock.now())
    }
  }

  #settle (outcome: ProbeOutcome, { peer, address }: DueProbe, startedAt: number, online: boolean): void {
    const { book, clock, random } = this.#components
    const now = clock.now()

    if (outcome === 'reached') {
      this.#counts.reached++
      book.reached(peer, address, now)
    } else if (outcome === 'failed') {
      this.#counts.failed++
      book.failed(peer, address, startedAt, now, random.next())

      if (online) {
        book.alive(now)
      }
    } else if (outcome === 'undialable') {
      book.drop(peer, address)
    }
  }
}
