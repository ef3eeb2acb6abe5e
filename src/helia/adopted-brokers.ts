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
  #asked: readonly BlockBroker[] = []
  #current: BlockFetcher[] = []
  #told: readonly BlockFetcher[] = []

  constructor (fetchers: BlockFetcher[], adopt: (broker: BlockBroker, name: string) => BlockFetcher) {
    this.#fetchers = fetchers
    this.#adopt = adopt
  }

  /**
   * @param brokers - those of the node, in its order
   * @param asked - those of them that are asked for blocks
   * @param told - those of them that hear which blocks have come
   */
  set (brokers: readonly BlockBroker[], asked: readonly BlockBroker[] = brokers, told: readonly BlockBroker[] = asked): void {
    if (isEqual(brokers, this.#brokers) && isEqual(asked, this.#asked) && told.length === this.#told.length) {
      return
    }
    this.#brokers = [...brokers]
    this.#asked = [...asked]
    const names = new Map<string, number>()
    const all = [...new Set(brokers)].map(broker => {
      const name = broker.name ?? 'unnamed'
      const count = (names.get(name) ?? 0) + 1
      names.set(name, count)
      return { broker, fetcher: this.#fetcher(broker, count === 1 ? name : `${name}#${count}`) }
    })

    const of = (some: readonly BlockBroker[]): BlockFetcher[] => all.filter(({ broker }) => some.includes(broker)).map(({ fetcher }) => fetcher)
    const next = of(asked)
    this.#told = of(told)
    const others = this.#fetchers.filter(fetcher => !this.#current.includes(fetcher))
    this.#fetchers.splice(0, this.#fetchers.length, ...others, ...next)
    this.#current = next
  }

  announce (cid: CID): void {
    for (const fetcher of this.#told) {
      void fetcher.announce?.(cid)
    }
  }

  #fetcher (broker: BlockBroker, name: string): BlockFetcher {
    const fetcher = this.#known.get(broker) ?? this.#adopt(broker, name)
    this.#known.set(broker, fetcher)
    return fetcher
  }
}

function isEqual (a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}
