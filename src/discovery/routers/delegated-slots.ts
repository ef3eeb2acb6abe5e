/** There is no place left to wait in */
export class NoPlaceError extends Error {
  static override name = 'NoPlaceError'
  override name = 'NoPlaceError'
}

interface Waiting {
  readonly who: string
  grant (): void
  refuse (err: Error): void
}

/**
 * Places for so many requests at a time. Whoever finds none waits; those who ask
 * much take turns with those who ask little. When too many wait, the last of
 * whoever has most waiting is sent away.
 */
export class RequestSlots {
  readonly #max: number
  readonly #maxWaiting: number
  /** In the order of their turns; no list is empty */
  readonly #queues = new Map<string, Waiting[]>()
  #active = 0
  #waiting = 0

  constructor (max: number, maxWaiting: number) {
    this.#max = max
    this.#maxWaiting = maxWaiting
  }

  get active (): number {
    return this.#active
  }

  get waiting (): number {
    return this.#waiting
  }

  /**
   * Resolves with what gives the place back. Rejects with a NoPlaceError, or with
   * the signal's reason.
   *
   * @param who - who takes turns with the others
   */
  async take (who: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()

    if (this.#active >= this.#max) {
      await this.#wait(who, signal)
    } else {
      this.#active++
    }

    let given = false
    return () => {
      if (!given) {
        given = true
        this.#next()
      }
    }
  }

  async #wait (who: string, signal: AbortSignal): Promise<void> {
    if (this.#waiting >= this.#maxWaiting) {
      this.#makeRoom(who)
    }

    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(entry)
        reject(signal.reason as Error)
      }
      const entry: Waiting = {
        who,
        grant: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
        refuse: err => {
          signal.removeEventListener('abort', onAbort)
          reject(err)
        }
      }
      signal.addEventListener('abort', onAbort, { once: true })
      const queue = this.#queues.get(who)

      if (queue == null) {
        this.#queues.set(who, [entry])
      } else {
        queue.push(entry)
      }
      this.#waiting++
    })
  }

  /** The place passes from hand to hand while somebody waits */
  #next (): void {
    const [first] = this.#queues
    const entry = first?.[1].shift()

    if (first == null || entry == null) {
      this.#active--
      return
    }

    const [who, queue] = first
    this.#queues.delete(who)

    if (queue.length > 0) {
      this.#queues.set(who, queue)
    }
    this.#waiting--
    entry.grant()
  }

  #makeRoom (who: string): void {
    const err = new NoPlaceError(`${this.#maxWaiting} requests wait for it already`)
    let longest: Waiting[] = []

    for (const queue of this.#queues.values()) {
      longest = queue.length > longest.length ? queue : longest
    }

    const last = longest.at(-1)

    if (last == null || (this.#queues.get(who)?.length ?? 0) + 1 >= longest.length) {
      throw err
    }
    this.#remove(last)
    last.refuse(err)
  }

  #remove (entry: Waiting): void {
    const queue = this.#queues.get(entry.who) ?? []
    const index = queue.indexOf(entry)

    if (index !== -1) {
      queue.splice(index, 1)
      this.#waiting--
    }
    if (queue.length === 0) {
      this.#queues.delete(entry.who)
    }
  }
}
