import { LRUCache } from 'lru-cache'
import { answererOf } from '../provider/answerer.ts'
import { Candidates } from './candidates.ts'
import { sizeClass } from './latency-window.ts'
import { selectProvider } from './select.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { CandidateView } from './select.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { BlockKey, Provider, ProviderId } from '../interface/provider.ts'

/** Ways tried one after the other before blocks are asked for instead */
export const MAX_TRIES = 3

/** Roots whose providers of streams are remembered as having failed */
const MAX_ROOTS = 1_000

/** And for how long, in ms: an overloaded server has recovered, a file was added, a gateway restarted */
const FAILED_TTL = 300_000

/** In ms: a twentieth of a block's time went into looking, with small blocks */
const LOOK_AGAIN = 50

/** Times slower than a block at a time usually comes: then it is no help */
const SLOWER_THAN_USUAL = 8

/** Bytes per ms that are never too slow: on a fast line the reader is what takes the time */
const PACE_ENOUGH = 1_000

/** What transfers are compared by, and which of the last ones: nearly the slowest of at least three */
const USUAL_BLOCK = 262_144
const USUAL = 0.9
const LEAST_TRANSFERS = 3

/** Among whom is chosen */
export interface StreamCircle {
  readonly mode: PrivacyMode
  readonly hints: readonly Provider[]
  readonly group: ProviderGroup
}

export interface StreamChoice {
  readonly because: string
  readonly chosen: CandidateView
  readonly fetcher: BlockFetcher
  /** Nobody knows whether it can */
  readonly untried: boolean
}

/** Who sends a file as one stream: whoever should be asked for the next block, if he can and has not failed at it */
export class StreamProviders {
  readonly #env: RoutingEnvironment
  /** Until when nobody is looked for again, where all who are known have failed: each block would */
  readonly #nobody = new WeakMap<ProviderGroup, number>()
  readonly #failed: LRUCache<BlockKey, Set<ProviderId>>

  constructor (env: RoutingEnvironment) {
    this.#env = env
    // 0 would mean: no age
    this.#failed = new LRUCache({ max: MAX_ROOTS, ttl: FAILED_TTL, ttlResolution: 0, perf: { now: () => env.clock.now() + 1 } })
  }

  choose (root: BlockKey, size: number, circle: StreamCircle): StreamChoice | undefined {
    const failed = this.#failed.get(root)

    if ((failed?.size ?? 0) >= MAX_TRIES) {
      return undefined
    }

    const now = this.#env.clock.now()

    if (failed != null && now < (this.#nobody.get(circle.group) ?? 0)) {
      return undefined
    }

    const candidates = this.#candidates(circle)
    const views = candidates.views(now)

    // what one of our own has, nobody else need be told
    if (views.some(({ route, provider }) => route.transport === 'sibling' && (circle.group.get(provider.id)?.delivered ?? 0) > 0)) {
      return undefined
    }

    const { chosen, because } = selectProvider({
      candidates: views.filter(view => failed?.has(answererOf(view.route)) !== true && candidates.fetcher(view).streams?.(view.route) !== false),
      size,
      activeDomains: new Set(),
      allowFallback: false,
      // whoever has not delivered yet begins with a block
      strangers: 'last',
      random: this.#env.random
    }, this.#env.params.select)

    if (chosen == null) {
      this.#nobody.set(circle.group, now + LOOK_AGAIN)
    }

    if (chosen == null || chosen.view.successes === 0 || chosen.view.breaker !== 'closed') {
      return undefined
    }

    // the best way may well be one block at a time
    const fetcher = candidates.fetcher(chosen)
    return fetcher.stream == null ? undefined : { because, chosen, fetcher, untried: fetcher.streams != null && fetcher.streams(chosen.route) == null }
  }

  /** A stream of this root from there was no help */
  failed (root: BlockKey, answerer: ProviderId): void {
    const failed = this.#failed.get(root) ?? new Set()
    failed.add(answerer)
    this.#failed.set(root, failed)
  }

  /** Could somebody else be asked? */
  others (answerer: ProviderId, circle: StreamCircle): boolean {
    const views = this.#candidates(circle).views(this.#env.clock.now())
    return views.some(({ route, view }) => answererOf(route) !== answerer && view.selectable && view.breaker !== 'open')
  }

  /**
   * Bytes per ms below which others are asked instead, where there are any
   *
   * @param own - what this stream once came with: stands in where nothing is usual yet
   */
  leastPace (answerer: ProviderId, circle: StreamCircle, own: number): number {
    const usual = this.#env.windows.transfers[sizeClass(USUAL_BLOCK)]?.quantile(USUAL, LEAST_TRANSFERS)
    const pace = usual == null ? own : USUAL_BLOCK / Math.max(1, usual)
    return pace === 0 || !this.others(answerer, circle) ? 0 : Math.min(PACE_ENOUGH, pace / SLOWER_THAN_USUAL)
  }

  clear (): void {
    this.#failed.clear()
  }

  #candidates ({ hints, group, mode }: StreamCircle): Candidates {
    const candidates = new Candidates({
      ...this.#env,
      mode,
      group,
      onUnusable: () => {},
      onBroken: (fetcher, err) => { this.#env.log.error('fetcher %s failed to say whom it can ask - %e', fetcher.name, err) }
    })

    for (const provider of group.known(mode)) {
      candidates.add(provider)
    }
    for (const provider of hints) {
      candidates.add(provider)
    }
    return candidates
  }
}
