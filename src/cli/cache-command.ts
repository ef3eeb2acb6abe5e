import { didYouMean } from '../interface/suggest.ts'
import { formatBytes } from '../gateway/html.ts'
import { SIZE_AS_BEFORE } from './cache-size.ts'
import { EXIT_FAILURE, EXIT_OK, UsageError } from './exit-code.ts'
import { streamSink } from './output-file.ts'
import { bar } from './progress.ts'
import { painter } from './style.ts'
import { terminalJson } from './terminal-text.ts'
import { withCache } from './with-cache.ts'
import { WorkReport } from './work-report.ts'
import type { CacheTools, Checked, ReportedStats } from './cache-tools.ts'
import type { Command, CommandContext } from './command.ts'
import type { CacheExpert } from '../interface/cache.ts'

/** Damaged blocks that are shown to people: more is a list for --json */
const MAX_NAMED = 1_000

type Action = (context: CommandContext, cache: CacheTools) => Promise<number>

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([['stats', stats], ['verify', verify], ['ls', ls], ['gc', gc], ['clear', clear]])

/** `portolan cache stats|verify|ls|gc|clear` */
export const cacheCommand: Command = {
  name: 'cache',
  summary: 'Look at the cache, check it, make room in it',
  arguments: [...ACTIONS.keys()].join('|'),
  minArguments: 1,
  maxArguments: 1,
  description: `Looks at the blocks that a node keeps, and makes room. Beside a running \`portolan serve\` on the same store it asks that node, otherwise it
opens the cache itself.`,
  actions: [
    ['stats', 'Prints a line each about its state, the bytes on disk and in memory, the blocks that were put here (also the welcome page of the gateway) and fetched, how often reads found them, what came and went, the policy, and faults.'],
    ['ls', 'Prints a line for each block: its CID, whether it was put here (authored) or fetched, and its size.'],
    ['verify', 'Reads and hashes every block and sets the damaged ones aside. Prints how many there are and which were damaged; exits with 1 if any was, or could not be read.'],
    ['gc', 'Gives back the space of what is gone, and makes a tenth of the room free. Prints how many blocks were evicted and how many bytes the disk has back.'],
    ['clear', 'Drops what was fetched and is not pinned, and what was put here only with --authored. Prints how many blocks were dropped and how many bytes the disk has back.']
  ],
  examples: ['portolan cache stats', 'portolan cache ls --json | jq -r .cid', 'portolan cache clear --store ./store'],
  own: {
    json: { type: 'boolean', description: 'Print JSON: stats one object, all others an object a line; those of verify, gc and clear tell how far they are, and the last one what came of it.' },
    authored: { type: 'boolean', description: 'With clear: also what was put here. It is gone for good, where nobody else has it.' }
  },
  options: ['store.path', 'cache.size', 'log.level'],
  defaults: { 'cache.size': SIZE_AS_BEFORE },

  async run (context) {
    const name = context.positionals[0] ?? ''
    const action = ACTIONS.get(name)

    if (action == null) {
      throw new UsageError(`portolan cache knows no ${JSON.stringify(name)}${didYouMean(name, [...ACTIONS.keys()], 'portolan cache ')} (it knows ${[...ACTIONS.keys()].join(', ')})`)
    }
    if (context.flags.authored === true && name !== 'clear') {
      throw new UsageError('--authored is for portolan cache clear')
    }
    return await withCache(context, async cache => await action(context, cache))
  }
}

async function stats ({ stdout, signal, flags, environment }: CommandContext, cache: CacheTools): Promise<number> {
  const found = await cache.stats({ signal })
  stdout.write(flags.json === true ? `${terminalJson(found)}\n` : statsText(found, painter(stdout, environment)))
  return EXIT_OK
}

async function ls ({ stdout, signal, flags }: CommandContext, cache: CacheTools): Promise<number> {
  const sink = streamSink(stdout, signal)
  const encoder = new TextEncoder()

  for await (const block of cache.ls({ signal })) {
    await sink.write(encoder.encode(flags.json === true ? `${JSON.stringify(block)}\n` : `${block.cid}  ${block.kind.padEnd(8)}  ${formatBytes(block.size)}\n`))
  }
  await sink.commit()
  return EXIT_OK
}

async function verify (context: CommandContext, cache: CacheTools): Promise<number> {
  const { signal, clock } = context
  const report = new WorkReport(context)
  const began = clock.now()
  const damaged: string[] = []
  let last: Omit<Checked, 'damaged'> = { blocks: 0, bytes: 0, totalBlocks: 0, damagedBlocks: 0, unreadBlocks: 0 }

  await report.during(async () => {
    for await (const { damaged: found, ...checked } of cache.verify({ signal })) {
      last = checked
      // programs have had them by then
      damaged.push(...report.json ? [] : found.slice(0, MAX_NAMED - damaged.length))
      await report.tell({ ...checked, damaged: found }, () => `${bar(checked.blocks, checked.totalBlocks)}  ${checked.blocks} of ${count(checked.totalBlocks)}  ${formatBytes(checked.bytes / Math.max(1, clock.now() - began) * 1_000)}/s`)
    }
  })
  const { blocks, bytes, damagedBlocks, unreadBlocks } = last
  await report.end({ blocks, bytes, damagedBlocks, unreadBlocks }, `${count(blocks)}, ${formatBytes(bytes)}: ${verdict(last, damaged)}`)
  return damagedBlocks + unreadBlocks === 0 ? EXIT_OK : EXIT_FAILURE
}

function verdict ({ damagedBlocks, unreadBlocks }: Omit<Checked, 'damaged'>, damaged: readonly string[]): string {
  const more = damagedBlocks - damaged.length
  const names = [...damaged, ...more === 0 ? [] : [damaged.length === 0 ? 'what they were cannot be read any more' : `and ${more} more`]]
  const found = [
    ...damagedBlocks === 0 ? [] : [`${damagedBlocks} damaged and set aside`],
    ...unreadBlocks === 0 ? [] : [`${unreadBlocks} that the disk did not give`]
  ]
  return found.length === 0 ? 'all are what their CIDs say' : `${found.join(', ')}${names.length === 0 ? '' : `:\n${names.map(name => `  ${name}`).join('\n')}`}`
}

async function gc (context: CommandContext, cache: CacheTools): Promise<number> {
  const report = new WorkReport(context)
  const done = await report.during(async () => await cache.gc({ signal: context.signal, onProgress: report.work }))
  await report.end(done, `${count(done.evicted)} evicted, ${formatBytes(done.freedBytes)} given back`)
  return EXIT_OK
}

async function clear (context: CommandContext, cache: CacheTools): Promise<number> {
  const report = new WorkReport(context)
  const done = await report.during(async () => await cache.clear({ signal: context.signal, authored: context.flags.authored === true, onProgress: report.work }))
  await report.end(done, `${count(done.removed)} dropped, ${formatBytes(done.freedBytes)} given back`)
  return EXIT_OK
}

function count (blocks: number): string {
  return `${blocks} ${blocks === 1 ? 'block' : 'blocks'}`
}

function percent (share: number | undefined): string {
  return share == null ? '-' : `${(share * 100).toFixed(1)} %`
}

const TIERS = ['memory', 'transit', 'disk', 'shared'] as const

const EXPERTS: Readonly<Record<CacheExpert, string>> = {
  recent: 'keeps what was read last',
  worthy: 'keeps what is worth its bytes',
  frequent: 'keeps what is read often',
  interval: 'keeps what comes again at short intervals',
  learned: 'keeps what it has learnt to come again, for the bytes it takes'
}

function statsText (stats: ReportedStats, paint: ReturnType<typeof painter>): string {
  const { health, blocks, bytes, hits, misses } = stats
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['state', health.state === 'ok' ? paint('green', 'ok') : paint('red', `degraded: ${health.reason}`)],
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
  return `${rows.map(([name, text]) => `${paint('bold', name.padEnd(10))}  ${text}`).join('\n')}\n`
}
