import type { ServedPeer } from './served-peer.ts'

/**
 * Counts the bytes of blocks in memory. Half of them at most are for peers that
 * have not shown that they read, so that however many never do, the others go on.
 */
export class MemoryBudget {
  readonly #limit: number
  #held = 0
  #unproven = 0
  #peak = 0

  constructor (limit: number) {
    this.#limit = limit
  }

  get held (): number {
    return this.#held
  }

  get peak (): number {
    return this.#peak
  }

  hasRoom (bytes: number): boolean {
    return this.#held + bytes <= this.#limit
  }

  hasRoomFor (peer: ServedPeer, bytes: number): boolean {
    return peer.proven || this.#unproven + bytes <= this.#limit / 2
  }

  /** Negative bytes give back */
  take (peer: ServedPeer, bytes: number): void {
    peer.held += bytes
    this.#held += bytes
    this.#peak = Math.max(this.#peak, this.#held)

    if (!peer.proven) {
      this.#unproven += bytes
    }
  }

  trust (peer: ServedPeer, proven: boolean): void {
    if (peer.proven !== proven) {
      peer.proven = proven
      this.#unproven += proven ? -peer.held : peer.held
    }
  }
}
