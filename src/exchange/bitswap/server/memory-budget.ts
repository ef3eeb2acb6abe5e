import type { ServedPeer } from './served-peer.ts'

/** Of what is for peers that have not shown that they read: the part for those who had their chance and made room for others */
const BEHIND = 1 / 4

/**
 * Counts the bytes of blocks in memory. Half of them at most are for peers that
 * have not shown that they read, so that however many never do, the others go on;
 * and most of that half for those whose chance is still to come.
 */
export class MemoryBudget {
  readonly #limit: number
  #held = 0
  #unproven = 0
  #behind = 0
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

  /** Of those who made room for others and have taken nothing since */
  get behind (): number {
    return this.#behind
  }

  hasRoom (bytes: number): boolean {
    return this.#held + bytes <= this.#limit
  }

  hasRoomFor (peer: ServedPeer, bytes: number): boolean {
    const half = this.#limit / 2
    // a block that alone is more than the part goes when nothing else is in it
    const mayFollow = !peer.behind || this.#behind === 0 || this.#behind + bytes <= half * BEHIND
    return peer.proven || (mayFollow && this.#unproven + bytes <= half)
  }

  /** Negative bytes give back */
  take (peer: ServedPeer, bytes: number): void {
    peer.held += bytes
    this.#held += bytes
    this.#peak = Math.max(this.#peak, this.#held)

    if (!peer.proven) {
      this.#unproven += bytes
    }
    if (peer.behind) {
      this.#behind += bytes
    }
  }

  /** It had its chance, and made room for others; or has taken something since */
  putBehind (peer: ServedPeer, behind: boolean): void {
    if (peer.behind !== behind) {
      peer.behind = behind
      this.#behind += behind ? peer.held : -peer.held
    }
  }

  trust (peer: ServedPeer, proven: boolean): void {
    if (peer.proven !== proven) {
      peer.proven = proven
      this.#unproven += proven ? -peer.held : peer.held
    }
  }
}
