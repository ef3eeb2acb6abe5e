import { Key } from 'interface-datastore/key'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import type { ProviderBook } from './book.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { ProviderId } from '../interface/provider.ts'
import type { Datastore } from 'interface-datastore'

export interface KeeperComponents {
  book: ProviderBook
  datastore: Datastore
  logger: ComponentLogger
}

/** Versioned: a later format starts a new prefix and reads this one */
export const REPUTATION_PREFIX = '/portolan/reputation/v1'

/** Keeps the book in the node's datastore: one small entry per provider, only changed ones written */
export class ReputationKeeper {
  readonly #components: KeeperComponents
  readonly #log: Logger
  #writing: Promise<void> = Promise.resolve()
  #dropped = 0
  #failedWrites = 0

  constructor (components: KeeperComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('portolan:reputation')
  }

  /** Entries that could not be read, and writes that failed */
  stats (): { dropped: number, failedWrites: number } {
    return { dropped: this.#dropped, failedWrites: this.#failedWrites }
  }

  async load (options: { signal?: AbortSignal } = {}): Promise<void> {
    for await (const { key, value } of this.#components.datastore.query({ prefix: REPUTATION_PREFIX }, options)) {
      try {
        this.#components.book.restore(JSON.parse(toString(value)))
      } catch (err) {
        this.#dropped++
        this.#log.error('dropped an unreadable reputation entry %s - %e', key, err)
      }
    }
  }

  /** Writes what changed. One write at a time; a failure is counted and tried again with the next change. */
  async save (): Promise<void> {
    this.#writing = this.#writing.then(async () => this.#write())
    await this.#writing
  }

  async #write (): Promise<void> {
    const dirty = this.#components.book.takeDirty()

    if (dirty.length === 0) {
      return
    }

    try {
      const batch = this.#components.datastore.batch()

      for (const [id, stored] of dirty) {
        if (stored == null) {
          batch.delete(keyOf(id))
        } else {
          batch.put(keyOf(id), fromString(JSON.stringify(stored)))
        }
      }

      await batch.commit()
    } catch (err) {
      this.#failedWrites++
      this.#log.error('could not save reputation - %e', err)
    }
  }
}

function keyOf (id: ProviderId): Key {
  return new Key(`${REPUTATION_PREFIX}/${toString(fromString(id), 'base64url')}`)
}
