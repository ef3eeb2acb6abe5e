import type { Affinity } from './affinity.ts'
import type { HedgeBudget } from './hedge-budget.ts'
import type { LatencyWindow } from './latency-window.ts'
import type { RoutingParams } from './params.ts'
import type { AttemptSlots } from './slots.ts'
import type { RoutingStats } from './stats.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Logger } from '../interface/logger.ts'
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
  readonly slots: AttemptSlots
  readonly hedges: HedgeBudget
  readonly affinity: Affinity
  readonly stats: RoutingStats
  /** Recent attempts by size class, and over all sizes for classes that are still empty */
  readonly windows: { readonly classes: readonly LatencyWindow[], readonly all: LatencyWindow }
  readonly fetchers: () => readonly BlockFetcher[]
  readonly sources: () => readonly ProviderSource[]
  /** Work that may outlive its read (lingering lookups, shadow attempts): ended by stop */
  readonly background: Set<() => void>
}
