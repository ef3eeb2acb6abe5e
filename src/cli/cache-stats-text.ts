import { formatBytes } from '../gateway/html.ts'
import { displayWidth, wrapText } from '../privacy/report/display-width.ts'
import { bar } from './progress.ts'
import type { ReportedStats } from './cache-tools.ts'
import type { painter } from './style.ts'
import type { CacheExpert } from '../interface/cache.ts'

export function count (blocks: number): string {
  return `${blocks} ${blocks === 1 ? 'block' : 'blocks'}`
}

function percent (share: number | undefined): string {
  return share == null ? '-' : `${(share * 100).toFixed(1)} %`
}

/** Columns of the names, and of the space behind them */
const INDENT = 12
/** Beyond, lines are hard to follow; below, words are broken */
const MAX_WIDTH = 120
const MIN_TEXT = 20

const TIERS = ['memory', 'transit', 'disk', 'shared'] as const

const EXPERTS: Readonly<Record<CacheExpert, string>> = {
  recent: 'keeps what was read last',
  worthy: 'keeps what is worth its bytes',
  frequent: 'keeps what is read often',
  interval: 'keeps what comes again at short intervals',
  learned: 'keeps what it has learnt to come again, for the bytes it takes'
}

/** A line each, or more where the terminal is narrower; a file or a pipe gets a line each */
export function cacheStatsText (stats: ReportedStats, paint: ReturnType<typeof painter>, width = Infinity): string {
  const { health, blocks, bytes, hits, misses } = stats
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['state', health.state === 'ok' ? 'ok' : `degraded: ${health.reason}`],
    ['on disk', `${bar(stats.diskBytes, stats.maxBytes)}  ${formatBytes(stats.diskBytes)} of ${formatBytes(stats.maxBytes)}`],
    ['in memory', `${formatBytes(stats.memoryBytes)}, and ${formatBytes(stats.transitBytes)} in transit`],
    ['put here', `${count(blocks.authored)}, ${formatBytes(bytes.authored)}`],
    ['fetched', `${count(blocks.fetched)}, ${formatBytes(bytes.fetched)}${stats.pinnedBytes > 0 ? `; ${formatBytes(stats.pinnedBytes)} only there because they are pinned` : ''}`],
    ['hits', stats.hitRatio == null ? 'nothing was read yet' : `${percent(stats.hitRatio)} of reads, ${percent(stats.byteHitRatio)} of bytes`],
    ...stats.hitRatio == null
      ? []
      : [...TIERS.filter(tier => hits[tier] > 0).map(tier => [`  ${tier}`, `${hits[tier]}, ${percent(stats.hitRatios?.[tier])} of reads, ${percent(stats.byteHitRatios?.[tier])} of bytes`] as const), ['  missed', String(misses)] as const],
    ['admitted', `${stats.admitted}, declined ${stats.declined}, joined ${stats.joined}`],
    ['evicted', `${stats.evicted}, ${formatBytes(stats.evictedBytes)}; deleted ${stats.deleted}`],
    ['policy', `${EXPERTS[stats.leader]}; blocks that were asked for only once may take up to ${formatBytes(stats.windowBytes)}`],
    ['faults', `${stats.quarantined} quarantined, ${stats.skippedWrites} writes skipped, ${stats.slowedWrites} slowed`]
  ]
  const columns = Math.max(MIN_TEXT, (width === Infinity ? width : Math.min(MAX_WIDTH, width)) - INDENT)
  const colour = (name: string, text: string): string => name === 'state' ? paint(health.state === 'ok' ? 'green' : 'red', text) : text

  return `${rows.flatMap(([name, text]) => (displayWidth(text) <= columns ? [text] : wrapText(text, columns))
    .map((line, i) => `${paint('bold', (i === 0 ? name : '').padEnd(INDENT - 2))}  ${colour(name, line)}`)).join('\n')}\n`
}
