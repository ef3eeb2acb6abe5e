import type { BlockFetcher } from '../interface/fetcher.ts'
import type { BlockBroker } from '@helia/interface'
import type { CID } from 'multiformats/cid'

/** The node's own brokers as fetchers, in the list that retrieval reads live */
export class AdoptedBrokers {
  readonly #fetchers: BlockFetcher[]
  readonly #adopt: (broker: BlockBroker, name: string) => BlockFetcher
  /** A broker keeps its fetcher over releases and restarts: what was learnt about it is filed under its name */
  readonly #known = new WeakMap<BlockBroker, BlockFetcher>()
  #brokers: readonly BlockBroker[] = []
  #current: BlockFetcher[] = []

  constructor (fetchers: BlockFetcher[], adopt: (broker: BlockBroker, name: string) => BlockFetcher) {
    this.#fetchers = fetchers
    this.#adopt = adopt
  }

  set (brokers: readonly BlockBroker[]): void {
    if (brokers.length === this.#brokers.length && brokers.every((broker, i) => broker === this.#brokers[i])) {
      return
    }
    this.#brokers = [...brokers]
    const names = new Map<string, number>()
    const next = [...new Set(brokers)].map(broker => {
      const name = broker.name ?? 'unnamed'
      const count = (names.get(name) ?? 0) + 1
      names.set(name, count)
      return this.#fetcher(broker, count === 1 ? name : `${name}#${count}`)
    })

    const others = this.#fetchers.filter(fetcher => !this.#current.includes(fetcher))
    this.#fetchers.splice(0, this.#fetchers.length, ...others, ...next)
    this.#current = next
  }

  announce (cid: CID): void {
    for (const fetcher of this.#current) {
      void fetcher.announce?.(cid)
    }
  }

  #fetcher (broker: BlockBroker, name: string): BlockFetcher {
    const fetcher = this.#known.get(broker) ?? this.#adopt(broker, name)
    this.#known.set(broker, fetcher)
    return fetcher
  }
}
