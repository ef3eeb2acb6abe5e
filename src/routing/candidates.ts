import { answererOf } from '../provider/answerer.ts'
import { mergeProviders } from '../provider/merge.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import { isNamed } from '../provider/named-source.ts'
import { TRANSIENT } from './verdict.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { CandidateView } from './select.ts'
import type { AttemptSlots } from './slots.ts'
import type { SourceBook } from './source-book.ts'
import type { Evidence } from './verdict.ts'
import type { Clock } from '../interface/clock.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Provider, ProviderId, Route, Transport } from '../interface/provider.ts'
import type { ReputationBook } from '../interface/reputation.ts'

/** In flight at a provider that has never delivered: a crowd at a silent one would wait together */
const UNPROVEN_LIMIT = 2

/** In ms: many times what a node nearby takes, and hardly felt when one is dead */
const SIBLING_HEAD_START = 50

/** In ms: a round trip to nearly anywhere, and to disk; a no ends it at once */
const RELATED_HEAD_START = 250

/** Transports whose providers the operator composed: no crowd of strangers */
const NAMED_ONCE: ReadonlySet<Transport> = new Set<Transport>(['broker', 'sibling'])

/** A provider that delivered blocks of this DAG may be asked once more in the same round when it stalls */
const ASKS_OF_DELIVERERS = 2

/** Providers considered for one block: more are not better, only more work */
export const MAX_CANDIDATES = 128

/** Who named one of them: a lookup takes no more namings of a provider, and it was known before */
const MAX_VOICES = 8

interface Path {
  readonly route: Route
  readonly fetcher: BlockFetcher
  /** Asked by one way at a time, and what it says holds for it, under whichever name it was found */
  readonly answerer: ProviderId
  spent: boolean
  asked: number
  outcome?: Outcome
}

interface Candidate {
  provider: Provider
  readonly paths: Path[]
  /** Who named it */
  readonly voices: Set<string>
  active: boolean
}

export interface CandidateDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly fetchers: () => readonly BlockFetcher[]
  readonly reputation: ReputationBook
  readonly slots: AttemptSlots
  /** What their word is worth who name providers */
  readonly stats: { readonly sources: Pick<SourceBook, 'trust' | 'settled'> }
  readonly mode: PrivacyMode
  readonly group: ProviderGroup
  /** A provider as it is known to be reached. @default as it was named */
  addressed? (provider: Provider, mode: PrivacyMode): Provider
  /** Is bringing the block already, by another way */
  readonly busy?: ProviderId
  /** Told about providers that cannot be asked, and why */
  readonly onUnusable: (provider: Provider, why: string) => void
  /** Those who named it may count it */
  readonly onSettled?: (provider: ProviderId, voices: ReadonlySet<string>, outcome: Outcome) => void
  /** A fetcher threw where it must not: it costs itself, not the read */
  readonly onBroken: (fetcher: BlockFetcher, error: Error) => void
}

/** Who could be asked for one block, and what has become of each */
export class Candidates {
  readonly #deps: CandidateDeps
  readonly #candidates = new Map<ProviderId, Candidate>()
  readonly #answering = new Set<ProviderId>()
  /** What those said who will say the same if they are asked again */
  readonly #said = new Map<ProviderId, Outcome>()
  #unusable?: string

  constructor (deps: CandidateDeps) {
    this.#deps = deps

    if (deps.busy != null) {
      this.#answering.add(deps.busy)
    }
  }

  /** Providers that stand for a fetcher itself */
  addStanding (): void {
    for (const fetcher of this.#deps.fetchers()) {
      try {
        for (const provider of fetcher.standing?.() ?? []) {
          this.add(provider)
        }
      } catch (err) {
        this.#deps.onBroken(fetcher, err as Error)
      }
    }
  }

  /** Those who are known to have some of this DAG, or delivered what is related to it. Returns how many of the latter there are. */
  addGroup (): number {
    const { group, mode } = this.#deps
    const related = group.deliverers === 0 ? group.relate(mode) : 0

    for (const provider of group.known(mode)) {
      this.add(provider)
    }
    return related
  }

  /** True when there is somebody new to ask, or a new way to ask */
  add (named: Provider): boolean {
    const provider = this.#deps.addressed?.(named, this.#deps.mode) ?? named
    const known = this.#candidates.get(provider.id)
    const merged = known == null ? provider : mergeProviders(known.provider, provider)
    const candidate: Candidate = known ?? { provider: merged, paths: [], voices: new Set(), active: false }
    candidate.provider = merged

    if (candidate.voices.size < MAX_VOICES) {
      candidate.voices.add(provider.source)
    }
    let added = false
    let refused: string | undefined

    for (const fetcher of this.#deps.fetchers()) {
      if (fetcher.transport === 'broker' && fetcher.trusted !== true && PRIVACY_PRESETS[this.#deps.mode].brokers === 'trusted') {
        continue
      }

      try {
        for (const route of fetcher.routes(merged)) {
          const why = fetcher.refuses?.(route, this.#deps.mode)

          if (why != null) {
            refused ??= why
          } else if (!candidate.paths.some(path => path.fetcher === fetcher && path.route.address === route.address)) {
            candidate.paths.push(this.#newPath(route, fetcher))
            added = true
          }
        }

        refused ??= fetcher.unusable?.(merged)
      } catch (err) {
        this.#deps.onBroken(fetcher, err as Error)
      }
    }

    if (known == null && this.#candidates.size >= MAX_CANDIDATES && !this.#makeRoom(candidate)) {
      return false
    }

    if (candidate.paths.length > 0) {
      this.#candidates.set(merged.id, candidate)
    } else {
      const why = refused ?? `no transport for ${merged.protocols.join(', ') || 'its addresses'}`
      this.#unusable ??= isNamed(provider.source) ? `${merged.id} cannot be asked: ${why}` : undefined
      this.#deps.onUnusable(merged, why)
    }

    return added
  }

  /** Milliseconds before anybody is searched for, while one may have it who is asked without telling anybody else: a node of our own fleet, or who delivered what is related */
  headStart (now: number): number {
    const ready = this.views(now).filter(({ view }) => view.selectable && view.breaker === 'closed')

    if (ready.some(({ provider: { id } }) => this.#deps.group.get(id)?.related != null)) {
      return RELATED_HEAD_START
    }
    return ready.some(({ route }) => route.transport === 'sibling') ? SIBLING_HEAD_START : 0
  }

  /** Everybody who may be asked now, as values to decide by */
  views (now: number): CandidateView[] {
    const { reputation, slots, group, stats } = this.#deps
    const views: CandidateView[] = []

    for (const { provider, paths, voices } of this.#candidates.values()) {
      for (const { route, answerer, spent } of paths) {
        if (!spent && !this.#answering.has(answerer)) {
          const view = reputation.view(provider.id, route, now)
          views.push({
            provider,
            route,
            view,
            inFlight: slots.providerInFlight(answerer),
            limit: view.successes > 0 || NAMED_ONCE.has(route.transport) ? slots.providers.of(answerer) : Math.min(UNPROVEN_LIMIT, slots.providers.of(answerer)),
            has: group.has(provider.id, answerer),
            trust: view.attempts === 0 ? stats.sources.trust(voices) : 1,
            line: slots.lines.of(answerer, now)
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
      this.#answering.add(path.answerer)
      path.spent = true
      path.asked++
    }
  }

  ended (view: CandidateView, outcome: Outcome): void {
    const candidate = this.#candidates.get(view.provider.id)

    if (candidate == null) {
      return
    }

    candidate.active = false
    this.#deps.stats.sources.settled(candidate.voices, outcome, view.view.attempts === 0)
    this.#deps.onSettled?.(candidate.provider.id, candidate.voices, outcome)
    const asked = this.#path(view)

    if (asked == null) {
      return
    }

    this.#answering.delete(asked.answerer)
    asked.outcome = outcome
    const delivered = this.#deps.group.get(view.provider.id)?.delivered ?? 0
    asked.spent = !(outcome === 'stalled' && delivered > 0 && asked.asked < ASKS_OF_DELIVERERS)

    if (isAnswer(outcome)) {
      this.#said.set(asked.answerer, outcome)

      for (const path of [...this.#candidates.values()].flatMap(({ paths }) => paths)) {
        if (path.answerer === asked.answerer) {
          path.spent = true
          path.outcome = outcome
        }
      }
    }
  }

  /** Those that might answer differently next time may be asked again */
  nextRound (): void {
    for (const { paths } of this.#candidates.values()) {
      for (const path of paths) {
        if (path.outcome != null && !isAnswer(path.outcome)) {
          path.spent = false
        }
      }
    }
  }

  /** How everybody answered so far */
  evidence (): Pick<Evidence, 'tally' | 'candidates' | 'unusable'> {
    return { tally: this.#tally(), candidates: this.#candidates.size, unusable: this.#unusable }
  }

  #tally (): Map<Outcome, number> {
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

  /** Strangers that fill every place keep nobody out who has delivered: one that was not asked yet makes room */
  #makeRoom (candidate: Candidate): boolean {
    if (!this.#hasDelivered(candidate)) {
      return false
    }

    for (const [id, other] of this.#candidates) {
      if (!other.active && other.paths.every(({ asked }) => asked === 0) && !this.#hasDelivered(other)) {
        this.#candidates.delete(id)
        return true
      }
    }

    return false
  }

  #hasDelivered ({ provider, paths }: Candidate): boolean {
    const { clock, reputation } = this.#deps
    return paths.some(({ route }) => reputation.view(provider.id, route, clock.now()).successes > 0)
  }

  /** One that was found under another name, or is reached by another transport, has said what it said */
  #newPath (route: Route, fetcher: BlockFetcher): Path {
    const answerer = answererOf(route)
    const outcome = this.#said.get(answerer)
    return { route, fetcher, answerer, spent: outcome != null, asked: 0, outcome }
  }

  #path (view: CandidateView): Path | undefined {
    return this.#candidates.get(view.provider.id)?.paths.find(path => path.route === view.route)
  }
}

/** Will it be the same when they are asked again? Whom we did not wait for said nothing. */
function isAnswer (outcome: Outcome): boolean {
  return outcome !== 'cancelled' && !TRANSIENT.has(outcome)
}
