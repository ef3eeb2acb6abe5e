import { describe, expect, it } from 'vitest'
import { cacheStatsText } from '../../src/cli/cache-stats-text.ts'
import { painter } from '../../src/cli/style.ts'
import type { ReportedStats } from '../../src/cli/cache-tools.ts'

const tiers = { memory: 4, disk: 3, shared: 0, transit: 0 }
const stats: ReportedStats = {
  health: { state: 'degraded', reason: 'the disk is full, and what is fetched is not kept' },
  maxBytes: 10_000_000_000,
  diskBytes: 5_000_000_000,
  memoryBytes: 64_000_000,
  transitBytes: 1_000,
  blocks: { authored: 8, fetched: 12_000 },
  bytes: { authored: 9_000, fetched: 4_000_000_000 },
  pinnedBytes: 1_000_000,
  hits: tiers,
  hitBytes: tiers,
  misses: 3,
  hitRatio: 0.7,
  byteHitRatio: 0.7,
  hitRatios: tiers,
  byteHitRatios: tiers,
  admitted: 12_345,
  declined: 6_789,
  joined: 12,
  evicted: 345,
  evictedBytes: 6_000_000,
  deleted: 7,
  quarantined: 0,
  skippedWrites: 1,
  slowedWrites: 2,
  leader: 'learned',
  windowBytes: 100_000_000
}
const text = (width?: number): string => cacheStatsText(stats, painter({}, {}), width)
const words = (of: string): string[] => of.split(/\s+/)

describe('what portolan cache stats prints', () => {
  it.each([40, 50, 80, 120])('fits a terminal of %d columns, and says the same', width => {
    expect(text(width).split('\n').filter(line => line.length > width)).toEqual([])
    expect(words(text(width))).toEqual(words(text()))
  })

  it('goes on below the text, not below the names', () => {
    expect(text(50).split('\n').slice(0, 3)).toEqual(['state       degraded: the disk is full, and what', '            is fetched is not kept', expect.stringMatching(/^on disk {5}\[#+-+\] 50% 5\.0 GB$/)])
  })

  it('is a line each in a file or a pipe', () => {
    expect(text().split('\n').filter(line => line.startsWith('            '))).toEqual([])
  })
})
