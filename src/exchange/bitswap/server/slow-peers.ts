import { LRUCache } from 'lru-cache'
import type { ServeLimits } from './limits.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { ServedPeer } from './served-peer.ts'
import type { WantTable } from './want-table.ts'

/** Bytes that buffers on the way may swallow without anybody reading: four times the first window of a yamux stream */
const PROOF_BYTES = 1_048_576

/** A message that has not moved for as long, in ms, belongs to somebody slow, whose read-ahead others may have, and the message as well where nothing shows that it reads */
const SLOW_AFTER = 250

/** Least time in ms between two searches for memory to take back: each looks at everybody who is being sent to */
const RECLAIM_INTERVAL = 50

/** Who takes what they are sent, who does not, and what follows */
export class SlowPeers {
  readonly #limits: ServeLimits
  readonly #memory: MemoryBudget
  readonly #table: WantTable
  readonly #sending = new Set<ServedPeer>()
  /** Peers that stalled, and until when they are not served */
  readonly #paused: LRUCache<string, number>
  #reclaimedAt = -Infinity

  constructor (limits: ServeLimits, memory: MemoryBudget, table: WantTable) {
    this.#limits = limits
    this.#memory = memory
    this.#table = table
    this.#paused = new LRUCache({ max: limits.peers })
  }

  get sending (): number {
    return this.#sending.size
  }

  isPaused (id: string, now: number): boolean {
    return (this.#paused.get(id) ?? -Infinity) > now
  }

  pause (peer: ServedPeer, now: number): void {
    this.#paused.set(peer.id, now + this.#limits.stallPause)
    this.#memory.trust(peer, false)
    peer.taken = 0
    // what is left of it is over: it makes room for nobody
    this.#sending.delete(peer)
  }

  started (peer: ServedPeer): void {
    this.#sending.add(peer)
  }

  /** A message of so many bytes of blocks was taken, or given up */
  ended (peer: ServedPeer, bytes: number, taken: boolean): void {
    this.#sending.delete(peer)

    if (taken) {
      peer.taken += bytes
      this.#memory.putBehind(peer, false)

      if (peer.taken >= PROOF_BYTES) {
        this.#memory.trust(peer, true)
        peer.window = Math.min(peer.window * 2, this.#limits.messageBytes)
      }
    }
  }

  /** Those whose message does not move, or moves too slowly; while memory is short, patience is as well */
  stalled (now: number, short: boolean): readonly ServedPeer[] {
    const { stallTimeout, stallTimeoutUnderPressure, minPace } = this.#limits
    const patience = short ? Math.min(stallTimeout, stallTimeoutUnderPressure) : stallTimeout

    return [...this.#sending].filter(({ sending }) => sending != null &&
      (now - sending.progressAt >= patience || now - sending.startedAt >= stallTimeout + sending.bytes / minPace * 1_000))
  }

  /**
   * As many as wait for memory, of those whose message has not moved for a moment:
   * they may well read, but have not shown it. Each makes room once, whoever moved
   * least lately first; at the second time it has stalled, or not.
   */
  setBack (now: number, waiting: number): readonly ServedPeer[] {
    const resting = [...this.#sending]
      .filter(({ proven, behind, sending }) => !proven && !behind && sending != null && now - sending.progressAt >= SLOW_AFTER)
      .sort((a, b) => (a.sending?.progressAt ?? 0) - (b.sending?.progressAt ?? 0))
      .slice(0, waiting)

    for (const peer of resting) {
      this.#memory.putBehind(peer, true)

      if (peer.sending != null) {
        peer.sending.setBack = true
      }
    }

    return resting
  }

  /** Takes back what was read ahead for those who are slow. True when there was any. */
  reclaim (now: number): boolean {
    if (now - this.#reclaimedAt < RECLAIM_INTERVAL) {
      return false
    }

    this.#reclaimedAt = now
    let found = false

    for (const peer of this.#sending) {
      if (peer.sending != null && now - peer.sending.progressAt >= SLOW_AFTER) {
        this.#memory.trust(peer, false)
        peer.taken = 0

        for (const { want } of [...peer.loaded.values()]) {
          this.#table.read(want)
          found = true
        }
      }
    }

    return found
  }
}
