import { mergeProviders } from '../provider/merge.ts'
import type { ProviderGroup } from './affinity.ts'
import type { CandidateView } from './select.ts'
import type { AttemptSlots } from './slots.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Provider, ProviderId, Route } from '../interface/provider.ts'
import type { ReputationBook } from '../interface/reputation.ts'

/** Providers considered for one block: more are not better, only more work */
export const MAX_CANDIDATES = 128

interface Path {
  readonly route: Route
  readonly fetcher: BlockFetcher
  spent: boolean
  outcome?: Outcome
}

interface Candidate {
  provider: Provider
  readonly paths: Path[]
  active: boolean
}

export interface CandidateDeps {
  readonly fetchers: () => readonly BlockFetcher[]
  readonly reputation: ReputationBook
  readonly slots: AttemptSlots
  readonly mode: PrivacyMode
  readonly group: ProviderGroup
  /** Told about providers that cannot be asked, and why */
  readonly onUnusable: (provider: Provider, why: string) => void
}

const TRANSIENT: ReadonlySet<Outcome> = new Set<Outcome>(['unreachable', 'overloaded', 'stalled', 'cancelled'])

/** Who could be asked for one block, and what has become of each */
export class Candidates {
  readonly #deps: CandidateDeps
  readonly #candidates = new Map<ProviderId, Candidate>()

  constructor (deps: CandidateDeps) {
    this.#deps = deps
  }

  get size (): number {
    return this.#candidates.size
  }

  /** True when there is somebody new to ask, or a new way to ask */
  add (provider: Provider): boolean {
    const known = this.#candidates.get(provider.id)

    if (known == null && this.#candidates.size >= MAX_CANDIDATES) {
      return false
    }

    const merged = known == null ? provider : mergeProviders(known.provider, provider)
    const candidate: Candidate = known ?? { provider: merged, paths: [], active: false }
    candidate.provider = merged
    let added = false
    let refused: string | undefined

    for (const fetcher of this.#deps.fetchers()) {
      if (this.#deps.mode !== 'open' && fetcher.transport === 'broker' && fetcher.trusted !== true) {
        continue
      }

      for (const route of fetcher.routes(merged)) {
        if (!candidate.paths.some(path => path.fetcher === fetcher && path.route.address === route.address)) {
          candidate.paths.push({ route, fetcher, spent: false })
          added = true
        }
      }

      refused ??= fetcher.unusable?.(merged)
    }

    if (candidate.paths.length > 0) {
      this.#candidates.set(merged.id, candidate)
    } else {
      this.#deps.onUnusable(merged, refused ?? `no transport for ${merged.protocols.join(', ') || 'its addresses'}`)
    }

    return added
  }

  /** Everybody who may be asked now, as values to decide by */
  views (now: number): CandidateView[] {
    const { reputation, slots, group } = this.#deps
    const views: CandidateView[] = []

    for (const { provider, paths, active } of this.#candidates.values()) {
      if (active) {
        continue
      }

      for (const { route, spent } of paths) {
        if (!spent) {
          views.push({
            provider,
            route,
            view: reputation.view(provider.id, route, now),
            inFlight: slots.providerInFlight(provider.id),
            limit: slots.perProvider,
            has: group.has(provider.id)
          })
        }
      }
    }

    return views
  }

  fetcher (view: CandidateView): BlockFetcher {
    const path = this.#path(view)

    if (path == null) {
      throw new Error(`No fetcher for ${view.provider.id}`)
    }

    return path.fetcher
  }

  began (view: CandidateView): void {
    const candidate = this.#candidates.get(view.provider.id)
    const path = this.#path(view)

    if (candidate != null && path != null) {
      candidate.active = true
      path.spent = true
    }
  }

  ended (view: CandidateView, outcome: Outcome): void {
    const candidate = this.#candidates.get(view.provider.id)

    if (candidate == null) {
      return
    }

    candidate.active = false

    for (const path of candidate.paths) {
      if (path.route === view.route) {
        path.outcome = outcome
      } else if (!TRANSIENT.has(outcome)) {
        // what it said holds for it, whatever the way we asked
        path.spent = true
        path.outcome = outcome
      }
    }
  }

  /** Those that might answer differently next time may be asked again; returns how many there are */
  nextRound (): number {
    let count = 0

    for (const { paths } of this.#candidates.values()) {
      for (const path of paths) {
        if (path.spent && path.outcome != null && TRANSIENT.has(path.outcome)) {
          path.spent = false
          count++
        } else if (!path.spent) {
          count++
        }
      }
    }

    return count
  }

  /** How everybody answered so far */
  tally (): Map<Outcome, number> {
    const tally = new Map<Outcome, number>()

    for (const { paths } of this.#candidates.values()) {
      for (const { outcome } of paths) {
        if (outcome != null) {
          tally.set(outcome, (tally.get(outcome) ?? 0) + 1)
        }
      }
    }

    return tally
  }

  #path (view: CandidateView): Path | undefined {
    return this.#candidates.get(view.provider.id)?.paths.find(path => path.route === view.route)
  }
}
