import { Key } from 'interface-datastore/key'
import { LRUCache } from 'lru-cache'
import { decodeProviders, encodeProviders } from './stored-providers.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { Logger } from '../interface/logger.ts'
import type { Datastore } from 'interface-datastore'

export interface GroupTableInit {
  /** Of the keys in the datastore, versioned */
  readonly prefix: string
  /** Groups remembered: the one used longest ago goes */
  readonly max: number
  /** Providers of one group */
  readonly providers: number
  /** Throws when the name makes no sense */
  make (name: string): ProviderGroup
}

/** Groups by name, so many and no more, and their deliverers across restarts */
export class GroupTable {
  readonly #init: GroupTableInit
  readonly #groups: LRUCache<string, ProviderGroup>
  readonly #gone = new Set<string>()
  #unreadable: Key[] = []
  #dropped = 0

  constructor (init: GroupTableInit) {
    this.#init = init
    this.#groups = new LRUCache({
      max: init.max,
      dispose: (group, name, reason) => {
        if (reason === 'evict' && group.stored && this.#gone.size < init.max) {
          this.#gone.add(name)
        }
      }
    })
  }

  get size (): number {
    return this.#groups.size
  }

  /** Entries that could not be read */
  get dropped (): number {
    return this.#dropped
  }

  /** The one that there is; undefined where there is none */
  peek (name: string): ProviderGroup | undefined {
    return this.#groups.get(name)
  }

  /** Made when there is none */
  get (name: string, make: () => ProviderGroup = () => this.#init.make(name)): ProviderGroup {
    let group = this.#groups.get(name)

    if (group == null) {
      group = make()
      this.#groups.set(name, group)
      this.#gone.delete(name)
    }
    return group
  }

  async load (datastore: Datastore, log: Logger, options: { signal?: AbortSignal } = {}): Promise<void> {
    const { prefix, max, providers: limit } = this.#init
    this.#unreadable = []

    for await (const { key, value } of datastore.query({ prefix: `${prefix}/`, limit: max }, options)) {
      try {
        const providers = decodeProviders(value, limit)
        const group = this.get(key.baseNamespace())

        for (const provider of providers) {
          group.delivered(provider)
        }

        group.dirty = false
        group.stored = true
      } catch (err) {
        this.#dropped++
        this.#unreadable.push(key)
        log.error('dropped an unreadable affinity entry %s - %e', key, err)
      }
    }
  }

  /** Writes the deliverers of the groups that changed */
  async save (datastore: Datastore): Promise<void> {
    const batch = datastore.batch()
    const gone = [...this.#gone]
    const changed = [...this.#groups.entries()].filter(([, group]) => group.dirty)

    for (const key of [...this.#unreadable, ...gone.map(name => this.#keyOf(name))]) {
      batch.delete(key)
    }

    for (const [name, group] of changed) {
      group.dirty = false
      const deliverers = [...group.members]
        .filter(member => member.delivered > 0)
        .sort((a, b) => b.delivered - a.delivered)
        .map(({ provider }) => provider)
      batch.put(this.#keyOf(name), encodeProviders(deliverers, this.#init.providers))
    }

    try {
      await batch.commit()
    } catch (err) {
      changed.forEach(([, group]) => { group.dirty = true })
      throw err
    }

    this.#unreadable = []
    changed.forEach(([, group]) => { group.stored = true })
    gone.forEach(name => { this.#gone.delete(name) })
  }

  #keyOf (name: string): Key {
    return new Key(`${this.#init.prefix}/${name}`)
  }
}
