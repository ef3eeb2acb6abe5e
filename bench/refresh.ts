import { quantile } from './lookup/figures.ts'
import { NAMES, contestants } from './refresh/contestants.ts'
import { recoveredAfter } from './refresh/recovery.ts'
import { SkippedTime } from './refresh/skipped-time.ts'
import { watchTraffic } from './refresh/traffic.ts'
import { makeWorld } from './refresh/world.ts'
import type { Contestant, ContestantName } from './refresh/contestants.ts'
import type { Lookup } from './refresh/recovery.ts'
import type { World } from './refresh/world.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'A DHT of 200 real nodes of which 40 % leave: how long lookups suffer, and what fresh tables cost, against kad-dht alone (clients; all intervals as shipped, idle time is skipped)'

const MINUTE = 60_000
/** Lookups behind one p90 */
const WINDOW = 32
/** Between two lookups of all contestants of a kind together */
const PACE = 10_000

interface Plan {
  readonly nodes: number
  /** Of each kind */
  readonly each: number
  /** Until all have connected to whom they like */
  readonly settling: number
  /** One round of all intervals */
  readonly rest: number
  /** Lookups of each kind while all live */
  readonly before: number
  readonly leaving: number
  /** Servers that live have forgotten all who left by then: Kubo's refresh interval */
  readonly forgetting: number
  /** Whoever has not recovered by then never does */
  readonly cap: number
}

const FULL: Plan = { nodes: 200, each: 4, settling: 10 * MINUTE, rest: 60 * MINUTE, before: 2 * WINDOW, leaving: 0.4, forgetting: 10 * MINUTE, cap: 40 * MINUTE }
const SHORT: Plan = { ...FULL, nodes: 40, each: 2, settling: MINUTE, rest: 10 * MINUTE, before: WINDOW, cap: 10 * MINUTE }

export const bars = {
  recovery: { max: 0.5 },
  restTraffic: { max: 1.5 }
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  // libp2p makes thousands of errors that nobody reads
  Error.stackTraceLimit = 0
  const time = new SkippedTime()
  time.install()

  try {
    return await time.until(measure(short ? SHORT : FULL, seed, log))
  } finally {
    time.uninstall()
  }
}

async function measure (plan: Plan, seed: number, log: (line: string) => void): Promise<BenchResult> {
  const { nodes, each, settling, rest, before, leaving, forgetting, cap } = plan
  const perNode = Math.ceil((before + cap / PACE) / each) + 1
  const world = await makeWorld({ nodes, blocks: perNode, seed })
  await world.place()
  const all: Contestant[] = []

  for (let i = 0; i < each; i++) {
    all.push(...await contestants(world))
  }

  const traffic = watchTraffic(world.network, all)
  await passed(settling)
  traffic.begin()
  await passed(rest)
  const sent = traffic.counts()
  log(`${rest / MINUTE} minutes at rest: ${NAMES.map(name => `${name} ${sent[name].messages}`).join(', ')} messages each`)

  const lookups = new Lookups(world, all)
  const base = await lookups.run(before)
  const usual = byName(name => p90(base.filter(lookup => lookup.name === name)))
  log(`p90 of ${before} lookups: ${NAMES.map(name => `${name} ${Math.round(usual[name])}`).join(', ')} ms`)

  world.leave(leaving, forgetting, all.map(({ node }) => node))
  const leftAt = performance.now()
  const after = await lookups.run(Math.floor(cap / PACE))
  const recovered = byName(name => recoveredAfter(after.filter(lookup => lookup.name === name), { leftAt, bound: 2 * usual[name], window: WINDOW }))
  const time = (name: ContestantName): number => Math.min(cap, recovered[name] ?? cap)
  log(`recovered: ${NAMES.map(name => `${name} ${recovered[name] == null ? 'never' : `after ${(recovered[name] / MINUTE).toFixed(1)} min`}`).join(', ')}`)

  return {
    ratios: {
      recovery: time('ours') / Math.min(time('kadDht'), time('kadDhtIdle')),
      restTraffic: sent.ours.messages / sent.kadDht.messages
    },
    absolute: {
      nodes,
      capMinutes: cap / MINUTE,
      errors: world.errors,
      memory: Math.round(process.memoryUsage().rss / 1e6),
      contestants: NAMES.map(who => {
        const mine = after.filter(({ name }) => name === who)
        return {
          who,
          'messages per hour at rest': sent[who].messages * 60 * MINUTE / rest,
          'of them pings': sent[who].pings * 60 * MINUTE / rest,
          'dials per hour at rest': sent[who].dials * 60 * MINUTE / rest,
          'p90 before': Math.round(usual[who]),
          'minutes to recover': recovered[who] == null ? `never (in ${cap / MINUTE})` : recovered[who] / MINUTE,
          'p90 of the first after': Math.round(p90(mine.slice(0, WINDOW))),
          'p90 of the last': Math.round(p90(mine.slice(-WINDOW))),
          'found before': mean(base.filter(({ name }) => name === who).map(({ share }) => share)),
          'found after': mean(mine.map(({ share }) => share))
        }
      })
    },
    bars
  }
}

/** Lookups of all contestants, in turns; no node looks up a block twice */
class Lookups {
  readonly #world: World
  readonly #all: readonly Contestant[]
  readonly #next = new Map<Contestant, number>()

  constructor (world: World, all: readonly Contestant[]) {
    this.#world = world
    this.#all = all
  }

  /** So many of each kind, by the order in which they began */
  async run (count: number): Promise<Lookup[]> {
    const running: Array<Promise<Lookup>> = []
    const each = this.#all.length / NAMES.length

    for (let i = 0; i < count; i++) {
      const twins = this.#all.slice((i % each) * NAMES.length).slice(0, NAMES.length)
      running.push(...twins.map(async twin => this.#one(twin)))
      await passed(PACE)
    }
    return Promise.all(running)
  }

  async #one (contestant: Contestant): Promise<Lookup> {
    const block = this.#next.get(contestant) ?? 0
    const cid = this.#world.cids[block]
    this.#next.set(contestant, block + 1)

    if (cid == null) {
      throw new RangeError(`There are no ${block + 1} blocks`)
    }
    const at = performance.now()
    return { ...await contestant.lookup(cid), name: contestant.name, at }
  }
}

async function passed (ms: number): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, ms) })
}

function p90 (lookups: readonly Lookup[]): number {
  return quantile(lookups.map(({ took }) => took), 0.9)
}

function mean (values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function byName<T> (of: (name: ContestantName) => T): Record<ContestantName, T> {
  return { kadDht: of('kadDht'), kadDhtIdle: of('kadDhtIdle'), ours: of('ours') }
}
