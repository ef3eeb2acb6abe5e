import { Affinity } from './affinity.ts'
import { HedgeBudget } from './hedge-budget.ts'
import { LatencyWindow } from './latency-window.ts'
import { AttemptSlots } from './slots.ts'
import { RoutingStats } from './stats.ts'
import { switchesOf } from '../interface/privacy-preset.ts'
import type { ContentRoutingComponents } from './components.ts'
import type { RoutingParams } from './params.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Logger } from '../interface/logger.ts'
import type { SwitchesOf } from '../interface/privacy-preset.ts'
import type { ProviderSource } from '../interface/provider.ts'
import type { ReputationBook } from '../interface/reputation.ts'

/** What every retrieval of one manager shares */
export interface RoutingEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly verifier: BlockVerifier
  readonly reputation: ReputationBook
  readonly params: RoutingParams
  /** What a mode means here */
  readonly switches: SwitchesOf
  readonly slots: AttemptSlots
  readonly hedges: HedgeBudget
  readonly affinity: Affinity
  readonly stats: RoutingStats
  /** Recent attempts by size class, and over all sizes for classes that are still empty */
  readonly windows: {
    readonly classes: readonly LatencyWindow[]
    readonly all: LatencyWindow
    /** From the first byte to the last, by size class */
    readonly transfers: readonly LatencyWindow[]
    /** Of sources: until they named somebody, or ended */
    readonly answers: LatencyWindow
  }
  readonly fetchers: () => readonly BlockFetcher[]
  readonly sources: () => readonly ProviderSource[]
  readonly addressed?: ContentRoutingComponents['addressed']
  /** Work that may outlive its read (lingering lookups, shadow attempts): ended by stop */
  readonly background: Set<() => void>
}

export function routingEnvironment (components: ContentRoutingComponents, params: RoutingParams): RoutingEnvironment {
  return {
    clock: components.clock,
    random: components.random,
    log: components.logger.forComponent('portolan:routing'),
    verifier: components.verifier,
    reputation: components.reputation,
    params,
    switches: switchesOf(params.mode, params.privacy),
    slots: new AttemptSlots(params.limits),
    hedges: new HedgeBudget(params.hedge),
    affinity: new Affinity(params.affinity),
    stats: new RoutingStats(),
    windows: {
      classes: [new LatencyWindow(), new LatencyWindow(), new LatencyWindow()],
      all: new LatencyWindow(),
      transfers: [new LatencyWindow(), new LatencyWindow(), new LatencyWindow()],
      answers: new LatencyWindow()
    },
    fetchers: () => components.fetchers,
    sources: () => components.sources,
    addressed: components.addressed,
    background: new Set()
  }
}
