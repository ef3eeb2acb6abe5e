import type { Provide, Withdraw } from './announcer.ts'
import type { Keeper } from './experience.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { AnnouncesMany } from '../interface/announce.ts'
import type { LocalStore } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { Provider, ProviderHint, ProviderId, ProviderSource } from '../interface/provider.ts'
import type { ReputationBook } from '../interface/reputation.ts'
import type { ProviderSummary } from '../interface/stats.ts'
import type { ContentReader } from '../interface/unixfs.ts'
import type { Datastore } from 'interface-datastore'

/** What a manager is put together from */
export interface ContentRoutingComponents {
  readonly logger: ComponentLogger
  readonly clock: Clock
  readonly random: Random
  readonly verifier: BlockVerifier
  readonly ledger: Ledger
  readonly reputation: ReputationBook & { describe? (id: ProviderId): ProviderSummary | undefined, ids? (): Iterable<ProviderId> }
  /** Keeps what was learnt about providers: loaded on start, saved on a tick and on stop */
  readonly keeper?: Keeper
  /** Both are read at each retrieval: the composition may add and remove */
  readonly sources: readonly ProviderSource[]
  readonly fetchers: readonly BlockFetcher[]
  /** A provider as it is known to be reached: at once, and without asking anybody. @default as it was named */
  addressed? (provider: Provider, mode: PrivacyMode): Provider
  /** The raw store, never `helia.blockstore` */
  readonly store?: LocalStore
  /** For the deliverers of each root */
  readonly datastore?: Datastore
  /** True when the datastore forgets with the process */
  readonly volatile?: boolean
  readonly metrics?: Metrics
  readonly reader?: ContentReader
  readonly provide?: Provide
  /** Announces many together, in the place of `provide`, while it is there */
  readonly together?: () => AnnouncesMany | undefined
  /** Throws while nothing may be announced. @default everything may */
  readonly mayAnnounce?: () => void
  /** Has whoever announces again by himself, as `provide` told him, leave a block out */
  readonly withdraw?: Withdraw
  parseHint (hint: ProviderHint, source: string): Provider
}
