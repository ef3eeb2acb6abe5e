import { coalesced, equal, fileRead, learns, negative, nobody, partial } from './end-to-end/counts.ts'
import { silent, sixth } from './end-to-end/times.ts'
import { median } from './end-to-end/world.ts'
import type { Comparison } from './end-to-end/times.ts'
import type { Figure } from './end-to-end/counts.ts'
import type { Side } from './end-to-end/world.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'Nine ways in which a read through Helia goes wrong, end to end: plain Helia beside the same node wrapped with withContentRouting'

const UNIQUE_BLOCKS = 65

interface Row {
  readonly key: string
  readonly what: string
  readonly bar: number
  readonly better: 'less' | 'more'
  readonly plain: number
  readonly wrapped: number
  readonly plainSays?: string
  readonly wrappedSays?: string
}

/** Every figure of the wrapped side is the worst of `runs`, of a timing the median; the plain side, which hangs and fails by design, is run once */
export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const runs = short ? 2 : 5
  const timings = short ? 3 : 5
  const rows: Row[] = []
  const absolute: Record<string, number | string> = {}
  const add = (row: Row): void => {
    rows.push(row)
    absolute[`${row.key}Plain`] = row.plainSays ?? row.plain
    log(`${row.key}: plain ${say(row.plain, row.plainSays)}, wrapped ${say(row.wrapped, row.wrappedSays)}`)
  }

  const counted: ReadonlyArray<readonly [key: string, what: string, bar: number, better: Row['better'], figure: (side: Side, seed: number) => Promise<Figure>]> = [
    ['coalesced', '25 readers of one block at once: requests', 1, 'less', coalesced],
    ['negative', '25 gets of a block nobody has: requests', 1, 'less', negative],
    ['learns', '20 blocks, two bad gateways first: worst asked', 3, 'less', learns],
    ['partial', 'fastest gateway has half: read succeeds', 1, 'more', bothWays],
    ['equal', '8 equal gateways, a session: requests per block', 1.1, 'less', equal]
  ]
  for (const [key, what, bar, better, figure] of counted) {
    const plain = await figure('plain', seed)
    const wrapped: Figure[] = []
    for (let i = 0; i < runs; i++) {
      const { failed, ...rest } = await figure('wrapped', seed + i)
      wrapped.push({ ...rest, value: failed === true ? (better === 'less' ? Infinity : 0) : rest.value })
    }
    const worst = wrapped.reduce((a, b) => (better === 'less' ? b.value > a.value : b.value < a.value) ? b : a)
    add({ key, what, bar, better, plain: plain.value, plainSays: said(plain.value, plain.note), wrapped: worst.value, wrappedSays: said(worst.value, worst.note) })
    if (plain.ms != null) {
      absolute[`${key}PlainMs`] = Math.round(plain.ms)
      absolute[`${key}WrappedMs`] = Math.round(median(wrapped.map(w => w.ms ?? NaN)))
    }
  }

  const plainRead = await fileRead('plain', seed)
  const reads = []
  for (let i = 0; i < runs; i++) {
    reads.push(await fileRead('wrapped', seed + i))
  }
  const failed = reads.find(r => r.note != null)?.note
  const lookups = failed == null ? Math.max(...reads.map(r => r.lookups)) : Infinity
  const requests = failed == null ? Math.max(...reads.map(r => r.requests)) : Infinity
  add({ key: 'lookups', what: '65 unique blocks, no session: routing lookups', bar: 1, better: 'less', plain: plainRead.lookups, plainSays: plainRead.note, wrapped: lookups, wrappedSays: failed })
  add({ key: 'requests', what: '65 unique blocks, no session: requests / 65', bar: 1.1, better: 'less', plain: plainRead.requests / UNIQUE_BLOCKS, plainSays: plainRead.note, wrapped: requests / UNIQUE_BLOCKS, wrappedSays: failed })
  absolute.fileReadPlainMs = Math.round(plainRead.ms)
  absolute.fileReadWrappedMs = Math.round(median(reads.map(r => r.ms)))

  for (const [key, what, figure] of [
    ['silent', 'fastest gateway silent on half: time / healthy', silent],
    ['sixth', 'five silent, sixth serves: time / healthy', sixth]
  ] as const) {
    const sides = {} as Record<Side, Comparison>
    for (const side of ['plain', 'wrapped'] as const) {
      // with a session and without: the figure is the worse of the two
      const alone = await figure(side, seed, side === 'plain' ? 1 : timings, false)
      const session = await figure(side, seed, side === 'plain' ? 1 : timings, true)
      sides[side] = alone.ratio >= session.ratio ? alone : session
      for (const [how, comparison] of [['', alone], ['Session', session]] as const) {
        absolute[`${key}${how}${side === 'plain' ? 'Plain' : 'Wrapped'}Ms`] = ending(comparison.faulty)
        absolute[`${key}${how}${side === 'plain' ? 'Plain' : 'Wrapped'}HealthyMs`] = ending(comparison.healthy)
        absolute[`${key}${how}${side === 'plain' ? 'Plain' : 'Wrapped'}Requests`] = `${comparison.requests.healthy} healthy, ${comparison.requests.faulty} faulty, for 129 blocks`
      }
    }
    add({ key, what, bar: 2, better: 'less', plain: sides.plain.ratio, plainSays: verdict(sides.plain), wrapped: sides.wrapped.ratio, wrappedSays: verdict(sides.wrapped) })
  }

  const [few, many] = short ? [32, 64] : [64, 128]
  const growth = {} as Record<Side, { ratio: number, says: string }>
  for (const side of ['plain', 'wrapped'] as const) {
    for (const [form, perSearch] of [['each search yields one', 1], ['each search yields all', Infinity]] as const) {
      const once = await nobody(side, seed, few, perSearch)
      const twice = await nobody(side, seed, many, perSearch)
      const failed = side === 'wrapped' && (once.failed === true || twice.failed === true)
      const ratio = failed ? Infinity : twice.value / once.value / 2
      // the figure is the worse of the two forms
      if (!(growth[side]?.ratio >= ratio)) {
        growth[side] = { ratio, says: `${once.value} -> ${twice.value}` }
      }
      absolute[`nobody${perSearch === 1 ? 'One' : 'All'}${side === 'plain' ? 'Plain' : 'Wrapped'}`] = `${form}: ${once.value} requests (${once.note}), then ${twice.value} (${twice.note})`
    }
  }
  add({ key: 'nobody', what: `a block nobody has, ${few} -> ${many} fresh peers: growth / 2`, bar: 1.5, better: 'less', plain: growth.plain.ratio, plainSays: `${round(growth.plain.ratio)} (${growth.plain.says})`, wrapped: growth.wrapped.ratio, wrappedSays: `${round(growth.wrapped.ratio)} (${growth.wrapped.says})` })

  log(table(rows))
  log('Gateways answer after 30 to 60 ms, the fastest after 20 or 25; learns: 200, 300 and 1 ms. silent and sixth read 32 MiB in chunks of 256 KiB.')
  return { ratios: Object.fromEntries(rows.map(row => [row.key, row.wrapped])), absolute, bars: Object.fromEntries(rows.map(row => [row.key, row.better === 'less' ? { max: row.bar } : { min: row.bar }])) }
}

/** E6 with a session and without: 1 when both reads gave the right bytes */
async function bothWays (side: Side, seed: number): ReturnType<typeof partial> {
  const session = await partial(side, seed, true)
  const alone = await partial(side, seed, false)
  const note = session.value === alone.value ? undefined : `session ${session.note ?? 'ok'}, no session ${alone.note ?? 'ok'}`
  return { value: Math.min(session.value, alone.value), ms: session.ms, note }
}

function verdict ({ healthy, faulty, ratio }: Comparison): string {
  return `${ratio === Infinity ? '' : `${round(ratio)} = `}${ending(faulty)} / ${ending(healthy)} ms`
}

function ending (trial: Comparison['healthy']): string | number {
  return trial.outcome === 'ok' ? Math.round(trial.ms) : trial.outcome
}

function said (value: number, note: string | undefined): string | undefined {
  return note == null ? undefined : `${round(value)} (${note})`
}

function say (value: number, says: string | undefined): string {
  return says ?? round(value)
}

function round (value: number): string {
  return `${Math.round(value * 100) / 100}`
}

function table (rows: readonly Row[]): string {
  const cells = [['', 'what', 'plain Helia', 'wrapped', 'bar', ''], ...rows.map(row => [
    row.key, row.what, say(row.plain, row.plainSays), say(row.wrapped, row.wrappedSays), `${row.better === 'less' ? '<=' : '>='} ${row.bar}`,
    (row.better === 'less' ? row.wrapped <= row.bar : row.wrapped >= row.bar) ? 'met' : 'MISSED'
  ])]
  const widths = cells[0]?.map((_, i) => Math.max(...cells.map(line => line[i]?.length ?? 0))) ?? []
  return cells.map(line => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()).join('\n')
}
