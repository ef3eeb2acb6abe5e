import type { AnnouncementsStats } from './announce/announcements.ts'
import type { JoiningStats } from './join/joiner.ts'
import type { BucketState } from './kad/bucket-schedule.ts'
import type { RegionStats } from './kad/wary-walker.ts'
import type { RecordedStats } from './records/recorded-source.ts'
import type { WalkStats } from './walk-figures.ts'
import type { AddressesStats } from '../interface/stats.ts'

export interface DiscoveryStats extends RegionStats {
  /** Peers of the DHT that are known */
  readonly peers: number
  /** Those of them, and of lookups, whose last word was silence */
  readonly silent: number
  readonly lookups: RecordedStats
  /** Those that were not answered from memory */
  readonly walks: WalkStats
  /** Answers remembered */
  readonly records: number
  /** Nearest first */
  readonly buckets: readonly BucketState[]
  readonly refreshes: { readonly walks: number, readonly failed: number }
  /** Of what was kept for the next run: entries that could not be read, and writes that failed */
  readonly kept: { readonly dropped: number, readonly failedWrites: number }
  readonly announcements: AnnouncementsStats
  readonly joining: JoiningStats
  /** Of providers: where they are, as far as is known */
  readonly addresses: AddressesStats
}
