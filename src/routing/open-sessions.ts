import type { RoutingSession } from './session.ts'

/** Sessions open at once; the oldest is closed beyond that */
const MAX_SESSIONS = 10_000

/**
 * The sessions that are open, the oldest first. No LRUCache: it clears all of its
 * 10 000 places when the last session closes, a fifth of the read of a small file
 * that is here.
 */
export class OpenSessions {
  readonly #sessions = new Map<string, RoutingSession>()

  get size (): number {
    return this.#sessions.size
  }

  add (id: string, session: RoutingSession): void {
    if (this.#sessions.size >= MAX_SESSIONS) {
      this.#sessions.values().next().value?.close()
    }

    this.#sessions.set(id, session)
  }

  delete (id: string): void {
    this.#sessions.delete(id)
  }

  close (): void {
    for (const session of [...this.#sessions.values()]) {
      session.close()
    }
  }
}
