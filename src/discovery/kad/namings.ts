import type { KadPeer } from './kad-client.ts'

/** Different providers that one lookup names: Kubo stops at 20 by default, twenty peers keep records */
const MAX_PROVIDERS = 1_000
/** Times that a provider is named with addresses that only one has told. Of four the best address of each is among the eight that a merge keeps, of five it need not be. */
const MAX_NAMED = 4
/** Times that it is named once more, with addresses that two have told */
const MAX_CONFIRMED = 4
/** Addresses of a provider that are remembered: those of eight who tell eight each */
const MAX_TOLD = 64
/**
 * Providers whom nobody has named yet that one network may name before the others have spoken: an answer may hold a
 * hundred, and whoever asks takes some dozens. Of twenty who keep records each is heard with two.
 */
const MAX_FIRST = 2

interface Held {
  readonly provider: KadPeer
  readonly networks: readonly string[]
}

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
  /** By network, and by peer where there is none: how many it named first, and whom it named beyond that */
  readonly #first = new Map<string, number>()
  readonly #held = new Map<string, Held[]>()
  #holds = 0

  /**
   * What one answer says. Of those whom nobody else has named yet two are passed on at once, the others when all have spoken (`rest`).
   *
   * @param teller - whose answer it is
   * @param networks - where it is
   */
  answered (providers: readonly KadPeer[], teller: string, networks: readonly string[]): KadPeer[] {
    const voices = networks.length > 0 ? networks : [teller]

    return providers.map(provider => {
      if (!this.#known.has(provider.id)) {
        if (voices.some(voice => (this.#first.get(voice) ?? 0) >= MAX_FIRST)) {
          this.#hold(voices[0] as string, { provider, networks })
          return undefined
        }
        voices.forEach(voice => { this.#first.set(voice, (this.#first.get(voice) ?? 0) + 1) })
      }
      return this.heard(provider, networks)
    }).filter(provider => provider != null)
  }

  /** Those who were held, in turns: of each network the first, then the second, … */
  rest (): KadPeer[] {
    const lists = [...this.#held.values()]
    const most = Math.max(0, ...lists.map(list => list.length))
    const turns = Array.from({ length: most }, (_, i) => lists.map(list => list[i]).filter(held => held != null)).flat()
    this.#held.clear()
    this.#holds = 0
    return turns.map(({ provider, networks }) => this.heard(provider, networks)).filter(provider => provider != null)
  }

  /**
   * @param networks - where whoever says so is
   * @returns what is to be passed on: without the addresses that were; undefined when it is nothing
   */
  heard (provider: KadPeer, networks: readonly string[]): KadPeer | undefined {
    const known = this.#known.get(provider.id)

    if (known == null) {
      return this.#known.size < MAX_PROVIDERS ? this.#begin(provider, networks) : undefined
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

  /** As many as may be named; when there is no room, the last of whoever holds most goes */
  #hold (voice: string, held: Held): void {
    const list = this.#held.get(voice) ?? []
    list.push(held)
    this.#held.set(voice, list)

    if (++this.#holds > MAX_PROVIDERS) {
      const longest = [...this.#held.values()].reduce((a, b) => a.length >= b.length ? a : b)
      longest.pop()
      this.#holds--
    }
  }

  #begin (provider: KadPeer, networks: readonly string[]): KadPeer {
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
