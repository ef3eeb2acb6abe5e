import type { KadPeer } from './kad-client.ts'

/** Different providers that one lookup names: Kubo stops at 20 by default, twenty peers keep records */
const MAX_PROVIDERS = 1_000
/** Times that a provider is named with addresses that only one has told. Of four the best address of each is among the eight that a merge keeps, of five it need not be. */
const MAX_NAMED = 4
/** Times that it is named once more, with addresses that two have told */
const MAX_CONFIRMED = 4
/** Addresses of a provider that are remembered: those of eight who tell eight each */
const MAX_TOLD = 64

interface Naming {
  /** Addresses: whether they were passed on, and if not, where whoever told them is */
  readonly told: Map<string, readonly string[] | 'passed'>
  readonly networks: Set<string>
  times: number
  confirmed: number
}

/**
 * What a lookup tells of the providers that it hears of. Whoever answers first
 * may have made up what it says: so it has one of a provider's first namings,
 * together with all others of its network, and what two of different networks
 * say is passed on although the first namings are used up.
 */
export class Namings {
  readonly #known = new Map<string, Naming>()

  /**
   * @param networks - where whoever says so is
   * @returns what is to be passed on: without the addresses that were; undefined when it is nothing
   */
  heard (provider: KadPeer, networks: readonly string[]): KadPeer | undefined {
    const known = this.#known.get(provider.id)

    if (known == null) {
      return this.#known.size < MAX_PROVIDERS ? this.#first(provider, networks) : undefined
    }

    const fresh = provider.addresses.filter(address => known.told.get(address) !== 'passed')

    if (fresh.length === 0) {
      return undefined
    }
    if (known.times < MAX_NAMED && networks.every(network => !known.networks.has(network))) {
      return this.#pass(provider, known, fresh, networks)
    }

    const agreed = known.confirmed < MAX_CONFIRMED ? fresh.filter(address => differ(known.told.get(address), networks)) : []
    agreed.forEach(address => { known.told.set(address, 'passed') })
    fresh.filter(address => !known.told.has(address)).slice(0, Math.max(0, MAX_TOLD - known.told.size)).forEach(address => { known.told.set(address, networks) })

    if (agreed.length === 0) {
      return undefined
    }
    known.confirmed++
    return { ...provider, addresses: agreed }
  }

  #first (provider: KadPeer, networks: readonly string[]): KadPeer {
    const known: Naming = { told: new Map(), networks: new Set(), times: 0, confirmed: 0 }
    this.#known.set(provider.id, known)
    return provider.addresses.length === 0 ? provider : this.#pass(provider, known, provider.addresses, networks)
  }

  #pass (provider: KadPeer, known: Naming, addresses: readonly string[], networks: readonly string[]): KadPeer {
    known.times++
    addresses.forEach(address => { known.told.set(address, 'passed') })
    networks.forEach(network => { known.networks.add(network) })
    return { ...provider, addresses }
  }
}

/** Two who are not of one network, as far as is known: on loopback nobody shares one */
function differ (before: readonly string[] | 'passed' | undefined, networks: readonly string[]): boolean {
  return before != null && before !== 'passed' && networks.every(network => !before.includes(network))
}
