import { buildMessage } from './message-builder.ts'
import type { ServedMessage } from './message-builder.ts'
import type { ServedPeer } from './served-peer.ts'

/** Who has answers ready, and when they go: full messages at once, others when nothing is left to wait for */
export class Outbox {
  readonly #batchDelay: number
  /** Something happened that may make a message ready */
  readonly #changed = new Set<ServedPeer>()
  /** Answers wait for others to share their message */
  readonly #unsent = new Set<ServedPeer>()

  constructor (batchDelay: number) {
    this.#batchDelay = batchDelay
  }

  get waiting (): boolean {
    return this.#unsent.size > 0
  }

  /** An answer is ready */
  answered (peer: ServedPeer, now: number): void {
    if (peer.hasAnswers && peer.sending == null && !this.#unsent.has(peer)) {
      peer.readySince = now
      this.#unsent.add(peer)
    }
  }

  changed (peer: ServedPeer): void {
    if (!peer.hasAnswers || peer.sending != null) {
      this.#unsent.delete(peer)
      this.#changed.delete(peer)
    } else {
      this.#unsent.add(peer)
      this.#changed.add(peer)
    }
  }

  leave (peer: ServedPeer): void {
    this.#unsent.delete(peer)
    this.#changed.delete(peer)
  }

  /** Looks again at those whose answers have waited long enough */
  flush (now: number): void {
    for (const peer of this.#unsent) {
      if (this.#isOverdue(peer, now)) {
        this.#changed.add(peer)
      }
    }
  }

  /** Somebody for whom a whole message is ready */
  full (): ServedPeer | undefined {
    for (const peer of this.#changed) {
      if (peer.loadedBytes >= peer.window) {
        return peer
      }
    }

    return undefined
  }

  /** Somebody for whom nothing is under way, or who has waited long enough */
  due (now: number): ServedPeer | undefined {
    for (const peer of this.#changed) {
      if ((peer.looking === 0 && peer.reading === 0) || this.#isOverdue(peer, now)) {
        return peer
      }

      // until something happens, or the flush
      this.#changed.delete(peer)
    }

    return undefined
  }

  /** Takes a message out; its blocks are left to the caller to take off the tables */
  take (peer: ServedPeer, now: number): ServedMessage {
    const { message, loaded, presences } = buildMessage(peer)

    const answers = new Map(message.presences.map((answer, i) => [presences[i] ?? '', answer]))

    for (const id of presences) {
      peer.presences.delete(id)
    }

    const bytes = loaded.reduce((sum, entry) => sum + entry.bytes.byteLength, 0)
    const blocks = new Map(loaded.map(({ want }) => [want.id, want]))
    peer.sending = { blocks, presences: answers, cancelled: new Set(), bytes, startedAt: now, progressAt: now, setBack: false }
    peer.readySince = now
    this.leave(peer)
    return message
  }

  #isOverdue (peer: ServedPeer, now: number): boolean {
    return now - peer.readySince >= this.#batchDelay
  }
}
