import { Turns } from './turns.ts'
import type { ServeLimits } from './limits.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { ServedPeer, ServedWant } from './served-peer.ts'
import type { SlowPeers } from './slow-peers.ts'

/** What a read is taken to cost until the first block of that peer is in: what files are cut into by default */
const USUAL_BLOCK = 262_144

/**
 * Whose block is read next: deficit round robin by bytes. A peer in turn goes on
 * until its share of the round is spent; memory for the largest block that may
 * come is taken before it is read.
 */
export class ReadTurns {
  readonly #limits: ServeLimits
  readonly #memory: MemoryBudget
  readonly #slow: SlowPeers
  readonly #sizeOf: (want: ServedWant) => number | undefined
  readonly #turns = new Turns<ServedPeer>()
  /** Somebody waits for memory */
  short = false
  /** So many of them whose chance is still to come */
  waiting = 0

  constructor (limits: ServeLimits, memory: MemoryBudget, slow: SlowPeers, sizeOf: (want: ServedWant) => number | undefined) {
    this.#limits = limits
    this.#memory = memory
    this.#slow = slow
    this.#sizeOf = sizeOf
  }

  /** The peer has something to read, or no longer */
  changed (peer: ServedPeer): void {
    if (peer.reads.size > 0) {
      this.#turns.enter(peer)
    } else if (peer.reading === 0) {
      // what it did not use is not saved up, what it owes is not forgiven
      peer.deficit = Math.min(0, peer.deficit)
    }
  }

  leave (peer: ServedPeer): void {
    this.#turns.leave(peer)
  }

  /** A want to be read now, for which `bytes` were taken from the memory */
  next (now: number): { readonly want: ServedWant, readonly bytes: number } | undefined {
    let passed = 0
    this.short = false
    this.waiting = 0

    for (let peer = this.#turns.current; peer != null; peer = this.#turns.current) {
      const want = peer.reads.best
      const bytes = want == null ? 0 : Math.min(this.#sizeOf(want) ?? this.#limits.blockBytes, this.#limits.blockBytes)

      if (want == null || !this.#mayRead(peer, bytes)) {
        this.#turns.leave(peer)
      } else if (peer.deficit <= 0) {
        peer.deficit += this.#limits.messageBytes
        this.#turns.yield()
        passed = 0
        this.waiting = 0
      } else if (!this.#memory.hasRoom(bytes)) {
        // it stays first: nobody overtakes it with smaller blocks
        this.short = true

        if (!this.#slow.reclaim(now)) {
          this.waiting = 1 + this.#turns.behind
          return undefined
        }
      } else if (!this.#memory.hasRoomFor(peer, bytes)) {
        this.short = true
        this.waiting += peer.behind ? 0 : 1
        this.#turns.yield()

        // once around, so that whoever came first is still first
        if (++passed >= this.#turns.behind) {
          return undefined
        }
      } else {
        this.#take(peer, want, bytes)
        return { want, bytes }
      }
    }

    return undefined
  }

  #take (peer: ServedPeer, want: ServedWant, bytes: number): void {
    peer.reads.takeBest()
    peer.reading++
    want.state = 'reading'
    want.charged = Math.min(bytes, peer.meanBlock === 0 ? USUAL_BLOCK : Math.ceil(peer.meanBlock))
    peer.deficit -= want.charged
    this.#memory.take(peer, bytes)
  }

  /** A read has ended, with so many bytes */
  ended (want: ServedWant, reserved: number, size: number): void {
    const { peer } = want
    peer.reading--
    peer.deficit += want.charged - size
    this.#memory.take(peer, -reserved)

    if (size > 0) {
      peer.meanBlock = peer.meanBlock === 0 ? size : peer.meanBlock * 0.75 + size * 0.25
    }
  }

  /** Whether its share of memory allows for one more; who has not shown that it reads gets nothing ahead */
  #mayRead (peer: ServedPeer, bytes: number): boolean {
    const { blockBytes, memoryPerPeer, messageBytes, wantsPerPeer } = this.#limits

    if (peer.answersLeft(wantsPerPeer) <= 0) {
      return false
    }

    if (peer.proven) {
      return peer.loadedBytes < 2 * messageBytes && peer.held + bytes <= memoryPerPeer
    }

    const expected = peer.loadedBytes + peer.reading * (peer.meanBlock === 0 ? blockBytes : peer.meanBlock)
    return peer.sending == null && expected < peer.window && peer.held + bytes <= Math.min(memoryPerPeer, 2 * blockBytes)
  }
}
