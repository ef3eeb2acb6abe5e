import { didYouMean } from '../interface/suggest.ts'
import { parseCID } from '../block/cid.ts'
import { blockKey } from '../block/key.ts'
import { formatBytes } from '../gateway/html.ts'
import { terminalOptions } from '../privacy/report/console-format.ts'
import { cacheStatsText, count } from './cache-stats-text.ts'
import { SIZE_AS_BEFORE } from './cache-size.ts'
import { EXIT_FAILURE, EXIT_OK, UsageError } from './exit-code.ts'
import { streamSink } from './output-file.ts'
import { bar } from './progress.ts'
import { painter } from './style.ts'
import { terminalJson } from './terminal-text.ts'
import { withCache } from './with-cache.ts'
import { WorkReport } from './work-report.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CacheKind } from '../interface/cache.ts'
import type { CacheTools, Checked, ListedBlock } from './cache-tools.ts'
import type { Command, CommandContext } from './command.ts'

/** Damaged blocks that are shown to people: more is a list for --json */
const MAX_NAMED = 1_000

/** As `stats` says it */
const KINDS: Readonly<Record<CacheKind, string>> = { authored: 'put here', fetched: 'fetched' }

type Action = (context: CommandContext, cache: CacheTools) => Promise<number>

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([['stats', stats], ['verify', verify], ['ls', ls], ['gc', gc], ['clear', clear]])

/** `portolan cache stats|verify|ls|gc|clear` */
export const cacheCommand: Command = {
  name: 'cache',
  summary: 'Look at the cache, check it, make room in it',
  arguments: [...ACTIONS.keys()].join('|'),
  minArguments: 1,
  maxArguments: Infinity,
  description: `Looks at the blocks that a node keeps, and makes room. Beside a running \`portolan serve\` on the same store it asks that node, otherwise it
opens the cache itself.`,
  actions: [
    ['stats', 'Prints a line each about its state, the bytes on disk and in memory, the blocks that were put here (also the welcome page of the gateway) and fetched, how often reads found them, what came and went, the policy, and faults.'],
    ['ls', 'Prints a line for each block: its CID, whether it was put here (in JSON: authored) or fetched, and its size. A block is kept by its hash, and which codec it was added with is not: all are listed as raw (bafkrei...). ls CID... lists these alone, as you write them, and exits with 1 if one is not here.'],
    ['verify', 'Reads and hashes every block and sets the damaged ones aside. Prints how many there are and which were damaged; exits with 1 if any was, or could not be read.'],
    ['gc', 'Gives back the space of what is gone, and makes a tenth of the room free. Prints how many blocks were evicted and how many bytes the disk has back.'],
    ['clear', 'Drops what was fetched and is not pinned, and what was put here only with --authored. Prints how many blocks were dropped and how many bytes the disk has back.']
  ],
  examples: ['portolan cache stats', 'portolan cache ls bafybei...', 'portolan cache ls --json | jq -r .cid', 'portolan cache clear --store ./store'],
  own: {
    json: { type: 'boolean', description: 'Print JSON: stats one object, all others an object a line; those of verify, gc and clear tell how far they are, and the last one what came of it.' },
    authored: { type: 'boolean', description: 'With clear: also what was put here. It is gone for good, where nobody else has it; the welcome page of a running gateway is put back at once.' }
  },
  options: ['store.path', 'cache.size', 'log.level'],
  defaults: { 'cache.size': SIZE_AS_BEFORE },

  async run (context) {
    const name = context.positionals[0] ?? ''
    const action = ACTIONS.get(name)

    if (action == null) {
      throw new UsageError(`portolan cache knows no ${JSON.stringify(name)}${didYouMean(name, [...ACTIONS.keys()], 'portolan cache ')} (it knows ${[...ACTIONS.keys()].join(', ')})`)
    }
    if (context.positionals.length > 1 && name !== 'ls') {
      throw new UsageError(`portolan cache ${name} takes no arguments, not ${JSON.stringify(context.positionals[1])} as well`)
    }
    if (context.flags.authored === true && name !== 'clear') {
      throw new UsageError('--authored is for portolan cache clear')
    }
    return await withCache(context, async cache => await action(context, cache))
  }
}

async function stats ({ stdout, signal, flags, environment }: CommandContext, cache: CacheTools): Promise<number> {
  const found = await cache.stats({ signal })
  stdout.write(flags.json === true ? `${terminalJson(found)}\n` : cacheStatsText(found, painter(stdout, environment), terminalOptions(stdout, environment).width))
  return EXIT_OK
}

async function ls (context: CommandContext, cache: CacheTools): Promise<number> {
  const { stdout, stderr, signal, flags } = context
  const sink = streamSink(stdout, signal)
  const encoder = new TextEncoder()
  const wanted = wantedBlocks(context.positionals.slice(1))
  const line = ({ cid, size, kind }: ListedBlock): string => flags.json === true
    ? `${JSON.stringify({ cid, size, kind })}\n`
    : `${cid}  ${KINDS[kind].padEnd(8)}  ${formatBytes(size)}\n`

  for await (const block of cache.ls({ signal })) {
    const names = wanted == null ? [block.cid] : takeNames(wanted, block)
    for (const cid of names) {
      await sink.write(encoder.encode(line({ ...block, cid })))
    }
    if (wanted?.size === 0) {
      break
    }
  }
  await sink.commit()
  const missing = [...wanted?.values() ?? []].flat()
  missing.forEach(cid => { stderr.write(`${cid} is not in the cache\n`) })
  return missing.length === 0 ? EXIT_OK : EXIT_FAILURE
}

/** As they were written, by what a cache finds a block by; undefined: all of them */
function wantedBlocks (cids: readonly string[]): Map<BlockKey, string[]> | undefined {
  const wanted = new Map<BlockKey, string[]>()

  for (const text of new Set(cids)) {
    const key = blockKey(parseCID(text))
    wanted.set(key, [...wanted.get(key) ?? [], text])
  }
  return wanted.size === 0 ? undefined : wanted
}

function takeNames (wanted: Map<BlockKey, string[]>, { cid }: ListedBlock): string[] {
  const key = blockKey(parseCID(cid))
  const names = wanted.get(key) ?? []
  wanted.delete(key)
  return names
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
