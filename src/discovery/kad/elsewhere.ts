import type { Candidate } from './candidates.ts'
import type { NetworksOf } from './diverse.ts'
import type { KadPeer } from './kad-client.ts'

/** Other addresses of one peer that are remembered: those of some honest ones and some liars */
const MAX_ADDRESSES = 16
/** Tried at once: libp2p dials one after the other, so that many would be as none */
const MAX_TRIED = 4
/** Times that a peer is tried at other addresses: it is one of the nearest, and each takes a place from others */
const MAX_TIMES = 2

/**
 * Where others say that a peer is, beside the addresses that it was named with
 * first. Most votes win: of those who are asked near a key most are honest, or
 * nothing would help.
 */
export class Elsewhere {
  /** Who says so, by address */
  readonly #votes = new Map<string, Set<string>>()
  readonly #tried: Set<string>
  #times = 0

  /** @param tried - where it was looked for */
  constructor (tried: readonly string[]) {
    this.#tried = new Set(tried)
  }

  /** @param voter - the same for all of one network */
  told (addresses: readonly string[], voter: string): void {
    for (const address of addresses) {
      const votes = this.#votes.get(address) ?? new Set()

      if (!this.#tried.has(address) && (votes.size > 0 || this.#votes.size < MAX_ADDRESSES)) {
        this.#votes.set(address, votes.add(voter))
      }
    }
  }

  /** Where it is to be tried now: what most say; empty when there is nothing left */
  take (): string[] {
    if (this.#votes.size === 0 || this.#times >= MAX_TIMES) {
      return []
    }
    this.#times++
    const best = [...this.#votes].sort(([, a], [, b]) => b.size - a.size).slice(0, MAX_TRIED)
    const most = best[0]?.[1].size ?? 0
    const taken = best.filter(([, { size }]) => size === most).map(([address]) => address)
    taken.forEach(address => {
      this.#votes.delete(address)
      this.#tried.add(address)
    })
    return taken
  }
}

/**
 * A peer that is known is named again.
 *
 * @param voter - who names it
 * @returns whether it is said to be elsewhere, as far as it matters
 */
export function dispute (candidate: Candidate, { addresses }: KadPeer, voter: string, networksOf: NetworksOf): boolean {
  const { peer, state, reach } = candidate
  candidate.voice = candidate.voice === voter ? voter : undefined

  if (reach != null || state === 'answered' || addresses.every(address => peer.addresses.includes(address))) {
    return false
  }
  candidate.elsewhere ??= new Elsewhere(peer.addresses)
  candidate.elsewhere.told(addresses, voter)

  if (state === 'new') {
    // what is not agreed on takes nobody's place, and keeps it out of none
    const networks = networksOf({ addresses })
    candidate.networks = candidate.networks.filter(network => networks.includes(network))
  }
  return true
}

/** Those who are not where they were looked for are new again, elsewhere, if anybody says so */
export function relocate (disputed: Iterable<Candidate>, isDead: (candidate: Candidate) => boolean, networksOf: NetworksOf): void {
  for (const candidate of disputed) {
    const { state, reach, elsewhere, peer } = candidate
    const isGone = state === 'failed' || state === 'late' || (state === 'new' && isDead(candidate))
    const addresses = reach == null && isGone ? elsewhere?.take() ?? [] : []

    if (addresses.length > 0) {
      candidate.peer = { ...peer, addresses }
      candidate.networks = networksOf(candidate.peer)
      candidate.state = 'new'
    }
  }
}
