import { LRUCache } from 'lru-cache'

/** As many as a lookup of a large network meets in a day. 100 bytes each. */
const MAX_DEAD = 4_096
/** Milliseconds: a restart takes less than a minute */
const FIRST_PAUSE = 60_000
/** Milliseconds: whoever comes back is asked again within the hour, and an attempt an hour costs nothing */
const LAST_PAUSE = 3_600_000
/** Failures that are told apart: beyond them the pause is the last one */
const MAX_TIMES = 7
/** Silences that nobody's answer has confirmed yet: those of one walk */
const MAX_SUSPECTS = 256

/** Addresses where one of them is not: those of three who named it */
const MAX_GONE = 24

/** Characters of a peer id: those of RSA keys as CIDs have 59 */
export const MAX_PEER_ID = 128

interface DeadPeer {
  /** Until when it is asked after all others */
  until: number
  /** Silences in a row */
  times: number
  /** It could be connected to, and still gave no answer: that a connection is there proves nothing */
  mute: boolean
  /** Where it is not, unless it is mute: at any other address it may be there. Undefined: nowhere */
  gone?: readonly string[]
}

export interface Silence {
  /** It was connected to */
  readonly mute: boolean
  /** Where it was looked for. @default everywhere */
  readonly addresses?: readonly string[]
  /** It has answered before: once is no reason to leave it alone */
  readonly known: boolean
  readonly askedAt: number
  readonly now: number
}

/**
 * Who gave no answer. A silence counts only when somebody else answered while
 * it lasted: when everybody is silent, we are the ones who are cut off.
 */
export class DeadPeers {
  readonly #dead = new LRUCache<string, DeadPeer>({ max: MAX_DEAD })
  readonly #suspects = new LRUCache<string, Silence>({ max: MAX_SUSPECTS })
  #lastAnswer = -Infinity

  /** Peers with a pause, over or not */
  get size (): number {
    return this.#dead.size
  }

  /** @param addresses - where it is said to be now */
  has (peer: string, now: number, addresses: readonly string[] = []): boolean {
    const entry = this.#dead.peek(peer)
    return entry != null && now < entry.until && (entry.mute || entry.gone == null || addresses.every(address => entry.gone?.includes(address)))
  }

  /** Whether its last word was silence, however long ago */
  silentBefore (peer: string): boolean {
    return this.#dead.peek(peer) != null
  }

  /**
   * A request of `askedAt` failed, or nobody waits for it any more
   *
   * @returns peers that were never heard of and are marked now: 0 or 1
   */
  silent (peer: string, silence: Silence): number {
    if (this.#lastAnswer >= silence.askedAt) {
      return this.#mark(peer, silence)
    }
    this.#suspects.set(peer, silence)
    return 0
  }

  /**
   * Proves that it lives, and that those who were silent all the while do not
   *
   * @returns peers that were never heard of and are marked now
   */
  answered (peer: string, askedAt: number, now: number): number {
    let marked = 0
    this.#dead.delete(peer)
    this.#suspects.delete(peer)
    this.#lastAnswer = now

    for (const [id, silence] of this.#suspects.entries()) {
      // who fell silent before this question was asked may have been cut off with us
      if (silence.now >= askedAt) {
        marked += this.#mark(id, silence)
      }
    }
    this.#suspects.clear()
    return marked
  }

  /** There is a connection to it, whoever made it */
  connected (peer: string): void {
    if (this.#dead.peek(peer)?.mute === false) {
      this.#dead.delete(peer)
    }
    this.#suspects.delete(peer)
  }

  /** As stored: times are given on the scale of `wall` */
  toJSON ({ now, wall }: { readonly now: number, readonly wall: number }): DeadPeersJSON {
    return [...this.#dead.entries()].reverse().map(([peer, { until, times, mute }]) => ({ peer, until: Math.round(until - now + wall), times, mute }))
  }

  /**
   * What was learnt since counts more, and what makes no sense is passed over: the cache is a convenience.
   *
   * @returns how much that was
   */
  restore (value: unknown, { now, wall }: { readonly now: number, readonly wall: number }): number {
    let passedOver = 0

    for (const entry of Array.isArray(value) ? (value as Array<Partial<DeadPeersJSON[number]> | null>) : []) {
      const { peer, until, times, mute } = entry ?? {}

      if (typeof peer !== 'string' || peer.length > MAX_PEER_ID || typeof until !== 'number' || !Number.isFinite(until) || !Number.isInteger(times) || typeof mute !== 'boolean') {
        passedOver++
      } else if (this.#dead.peek(peer) == null) {
        // a clock that was set back keeps nobody away for longer than the longest pause
        this.#dead.set(peer, { until: now + Math.min(LAST_PAUSE, until - wall), times: Math.max(0, Math.min(MAX_TIMES, times as number)), mute })
      }
    }

    return passedOver
  }

  #mark (peer: string, { mute, addresses, known, now }: Silence): number {
    const entry = this.#dead.get(peer)
    const gone = addresses == null ? undefined : [...new Set([...addresses, ...entry?.gone ?? []])].slice(0, MAX_GONE)

    if (entry != null && now < entry.until) {
      // the second of two walks that waited at the same time
      entry.mute ||= mute
      entry.gone = gone
    } else if (entry == null && known) {
      this.#dead.set(peer, { until: now, times: 0, mute, gone })
    } else {
      const times = Math.min(MAX_TIMES, (entry?.times ?? 0) + 1)
      this.#dead.set(peer, { until: now + Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** (times - 1)), times, mute, gone })
    }

    return entry == null && !known ? 1 : 0
  }
}

export type DeadPeersJSON = Array<{ peer: string, until: number, times: number, mute: boolean }>
