import { LRUCache } from 'lru-cache'
import { DeadPeers, MAX_PEER_ID } from './dead-peers.ts'
import { Newcomers } from './newcomers.ts'
import { TimeSamples } from './time-samples.ts'
import type { DeadPeersJSON } from './dead-peers.ts'
import type { Reach } from './kad-client.ts'
import type { NewcomersJSON } from './newcomers.ts'
import type { PeerTimingView } from './walk.ts'

/** Peers whose round trip is remembered: what some lookups meet. 100 bytes each. */
const MAX_PEERS = 4_096

/** One in seven takes longer, and is worth asking one more */
const USUAL = 0.85
/** Nearly all: were it less, one of the k nearest would be given up in every other lookup */
const NEARLY_ALL = 0.99
/** Times what nearly all took: the slowest of thousands is slower than the slowest of the last hundred. At 1.3 some 3 of 1 000 living peers were given up where delays have a long tail, at 1.8 one; a lookup in ten waits a fifth longer for it. */
const MARGIN = 1.8
/** With few samples the slowest is yet to come: that much more, divided by their number */
const DOUBT = 5
/** Milliseconds: nobody is given up for a packet that was lost, or for a collection of garbage, theirs or ours */
const MIN_PATIENCE = 600
/** Milliseconds: whoever has answered before is there, most likely; so long takes the first retransmission of TCP where nothing was measured (RFC 6298) */
const KNOWN_PATIENCE = 1_000
/** Whoever never answered is not waited for longer than for the middle one: the others take that long anyway, and until they are done its answer counts */
const MIDDLE = 0.5
/** Milliseconds: who takes less is no reason to ask another */
const MIN_SLOW = 30
/** Milliseconds: kad-dht itself waits that long for an answer */
export const MAX_PATIENCE = 10_000

/** Milliseconds until something was measured: a dial to the other side of the world is 3 to 6 round trips of 250 ms, with a lost packet a second more */
const DIAL = { slow: 800, patience: 3_000 }
const ROUND = { slow: 400, patience: 1_500 }

interface RoundTrip {
  /** Smoothed, and its mean deviation, as TCP has them (RFC 6298) */
  smooth: number
  deviation: number
}

/** Two readings of one moment: monotonic time, and the one that outlives a process */
export interface PeerTimingMoment {
  readonly now: number
  readonly wall: number
}

/**
 * Learns how long peers take, each and all together, and which of them gave no
 * answer. Pure: times are passed in.
 */
export class PeerTiming implements PeerTimingView {
  readonly #roundTrips = new LRUCache<string, RoundTrip>({ max: MAX_PEERS })
  readonly #dials = new TimeSamples()
  readonly #rounds = new TimeSamples()
  /** Rounds of peers that had to be dialled, by the time that dialling them took */
  readonly #shares = new TimeSamples()
  readonly #dead = new DeadPeers()
  readonly #newcomers = new Newcomers()

  /** Peers whose last word was silence */
  get silent (): number {
    return this.#dead.size
  }

  get silentShare (): number {
    return this.#newcomers.silentShare
  }

  slowAfter (peer: string, reach?: Reach): number {
    const share = this.#doubtful(peer) ? MIDDLE : USUAL

    if (reach == null) {
      return Math.max(MIN_SLOW, this.#dials.quantile(share) ?? DIAL.slow)
    }

    const own = this.#roundTrips.peek(peer)
    const dialShare = reach.dialled == null ? undefined : this.#shares.quantile(share)
    const others = dialShare == null ? this.#rounds.quantile(share) ?? ROUND.slow : dialShare * (reach.dialled ?? 0)

    return Math.max(MIN_SLOW, reach.rounds * (own == null ? others : own.smooth + 2 * own.deviation))
  }

  patience (peer: string, reach?: Reach): number {
    const slow = this.slowAfter(peer, reach)

    if (this.#doubtful(peer)) {
      return slow
    }

    const least = this.#roundTrips.peek(peer) == null ? MIN_PATIENCE : KNOWN_PATIENCE
    const most = reach == null ? longest(this.#dials) ?? DIAL.patience : reach.rounds * this.#longestRound(peer, reach)

    return Math.max(slow, least, Math.min(MAX_PATIENCE, most))
  }

  dead (peer: string, now: number, addresses?: readonly string[]): boolean {
    return this.#dead.has(peer, now, addresses)
  }

  /** It is connected to now, after a dial of `took` milliseconds */
  dialled (peer: string, took: number): void {
    this.#dials.add(took)
    this.#dead.connected(peer)
  }

  /** Somebody connected to it, or it to us */
  connected (peer: string): void {
    this.#dead.connected(peer)
  }

  /**
   * @param reach - how near it was
   * @param took - milliseconds from there
   */
  answered (peer: string, { reach, took, askedAt, now }: { reach: Reach, took: number, askedAt: number, now: number }): void {
    const round = took / reach.rounds
    const known = this.#roundTrips.get(peer)

    if (known == null) {
      this.#newcomers.answered(this.#dead.silentBefore(peer))
    }
    this.#newcomers.silent(this.#dead.answered(peer, askedAt, now))
    this.#rounds.add(round)

    if (reach.dialled != null && reach.dialled > 0) {
      this.#shares.add(round / reach.dialled)
    }

    if (known == null) {
      this.#roundTrips.set(peer, { smooth: round, deviation: round / 2 })
    } else {
      known.deviation += (Math.abs(round - known.smooth) - known.deviation) / 4
      known.smooth += (round - known.smooth) / 8
    }
  }

  /** It failed, or went beyond patience; `reach` says how far it came, `addresses` where it was looked for: anybody can say that somebody else is there */
  failed (peer: string, { reach, addresses, askedAt, now }: { reach?: Reach, addresses?: readonly string[], askedAt: number, now: number }): void {
    this.#newcomers.silent(this.#dead.silent(peer, { mute: reach != null, addresses, known: this.#roundTrips.peek(peer) != null, askedAt, now }))
  }

  toJSON (moment: PeerTimingMoment): PeerTimingJSON {
    return {
      dials: this.#dials.toJSON(),
      rounds: this.#rounds.toJSON(),
      shares: this.#shares.toJSON(),
      peers: [...this.#roundTrips.entries()].reverse().map(([peer, { smooth, deviation }]) => [peer, smooth, deviation]),
      dead: this.#dead.toJSON(moment),
      newcomers: this.#newcomers.toJSON()
    }
  }

  /**
   * Takes in what `toJSON` gave, or parts of it; what was learnt since counts more.
   * What makes no sense is passed over: without it the first lookups are slower, no more.
   *
   * @returns how much that was
   */
  restore (value: unknown, moment: PeerTimingMoment): number {
    const { peers, dead, newcomers, ...stored } = (value ?? {}) as Partial<Record<keyof PeerTimingJSON, unknown>>
    const windows = { dials: this.#dials, rounds: this.#rounds, shares: this.#shares }
    let passedOver = this.#dead.restore(dead, moment) + this.#newcomers.restore(newcomers)

    for (const [name, window] of Object.entries(windows)) {
      const all = list(stored[name as keyof typeof windows])
      const good = all.filter(isDuration)
      window.restore(good)
      passedOver += all.length - good.length
    }
    for (const entry of list(peers)) {
      const [peer, smooth, deviation] = list(entry)

      if (!isPeer(peer) || !isDuration(smooth) || !isDuration(deviation)) {
        passedOver++
      } else if (this.#roundTrips.peek(peer) == null) {
        this.#roundTrips.set(peer, { smooth, deviation })
      }
    }

    return passedOver
  }

  /** It was silent, and never anything else */
  #doubtful (peer: string): boolean {
    return this.#dead.silentBefore(peer) && this.#roundTrips.peek(peer) == null
  }

  #longestRound (peer: string, { dialled }: Reach): number {
    const any = longest(this.#rounds) ?? ROUND.patience
    const share = dialled == null || this.#roundTrips.peek(peer) != null ? undefined : longest(this.#shares)
    return share == null ? any : Math.min(any, share * (dialled ?? 0))
  }
}

export interface PeerTimingJSON {
  dials: number[]
  rounds: number[]
  shares: number[]
  peers: Array<[peer: string, smooth: number, deviation: number]>
  dead: DeadPeersJSON
  newcomers: NewcomersJSON
}

function longest (samples: TimeSamples): number | undefined {
  const most = samples.quantile(NEARLY_ALL)
  return most == null ? undefined : most * (MARGIN + DOUBT / samples.count)
}

function list (value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isPeer (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_PEER_ID
}

function isDuration (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_PATIENCE * 10
}
