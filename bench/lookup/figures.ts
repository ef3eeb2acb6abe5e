import type { ContestantName, Found } from './contestants.ts'
import type { World } from './world.ts'
import type { CID } from 'multiformats/cid'

/** One block, looked up by everybody */
export interface Round {
  readonly cid: CID
  readonly found: Readonly<Record<ContestantName, Found>>
  /** The true ones: those who live now */
  readonly closest: readonly string[]
  readonly providers: readonly string[]
}

export function round (world: World, cid: CID, found: Record<ContestantName, Found>): Round {
  return { cid, found, closest: world.network.closest(cid.multihash.bytes).map(({ id }) => id), providers: world.providersOf(cid) }
}

export function quantile (values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function ends (rounds: readonly Round[], name: ContestantName): number[] {
  return rounds.map(({ found }) => found[name].end)
}

/** Where kad-dht was told of somebody; a contestant who was not never was */
export function firsts (rounds: readonly Round[], name: ContestantName): number[] {
  return rounds.filter(({ found }) => found.kadDht.first != null).map(({ found }) => found[name].first ?? Infinity)
}

/** Of all that kad-dht found and that is true and alive, the share that we found: providers and nearest peers, the worse of both */
export function foundShare (rounds: readonly Round[]): number {
  return Math.min(
    shareOf(rounds, ({ providers }) => providers, ({ providers }) => [...providers]),
    shareOf(rounds, ({ closest }) => closest, ({ closest }) => closest)
  )
}

function shareOf (rounds: readonly Round[], truth: (round: Round) => readonly string[], of: (found: Found) => readonly string[]): number {
  let theirs = 0
  let common = 0

  for (const round of rounds) {
    const living = new Set(truth(round))
    const ours = new Set(of(round.found.ours))
    const found = of(round.found.kadDht).filter(id => living.has(id))
    theirs += found.length
    common += found.filter(id => ours.has(id)).length
  }

  return common / theirs
}

export interface ContestantRow extends Record<string, unknown> {
  readonly who: ContestantName
}

/** What everybody did, in ms and in shares of what is true */
export function row (rounds: readonly Round[], who: ContestantName, requests: number): ContestantRow {
  const named = rounds.map(({ found }) => found[who].first).filter(first => first != null)
  const share = (truth: (round: Round) => readonly string[], has: (found: Found, id: string) => boolean): number => {
    const all = rounds.flatMap(round => truth(round).map(id => has(round.found[who], id)))
    return all.filter(Boolean).length / all.length
  }

  return {
    who,
    'end p50': quantile(ends(rounds, who), 0.5),
    'end p90': quantile(ends(rounds, who), 0.9),
    'first p50': quantile(named, 0.5),
    'first p90': quantile(named, 0.9),
    'nobody named': rounds.length - named.length,
    'requests per lookup': requests / rounds.length,
    'providers found': share(({ providers }) => providers, ({ providers }, id) => providers.has(id)),
    'closest found': share(({ closest }) => closest, ({ closest }, id) => closest.includes(id))
  }
}
