import { contestants } from './lookup/contestants.ts'
import { ends, firsts, foundShare, quantile, round, row } from './lookup/figures.ts'
import { watchLoop } from './lookup/loop.ts'
import { makeWorld } from './lookup/world.ts'
import type { BenchOptions, BenchResult } from './types.ts'
import type { Contestant, ContestantName } from './lookup/contestants.ts'
import type { Round } from './lookup/figures.ts'
import type { LoopLoad } from './lookup/loop.ts'
import type { World, WorldInit } from './lookup/world.ts'

export const description = 'DHT lookups among the dead: 200 real nodes with delays in memory, against kad-dht and a walk that knows who is dead'

const NODES = 200
const BLOCKS = 50
const DEAD = 0.3
/** Groups of three nodes with equal tables: none becomes acquainted with everybody too early */
const GROUPS = 10
const LOOKUPS = 20
const LIVE_GROUPS = 4
const LIVE_LOOKUPS = 15
/** Enough for a node to connect, and to ask those it knows */
const CALIBRATION = 8
/** A loop that is busier measures itself */
const BUSY = 0.5
/** Groups at a time: kad-dht waits 5 s and more for the dead in each lookup, and all together compute for half a second */
const LANES = 4
/** Milliseconds between the first lookups of two groups: connecting costs more than asking */
const STAGGER = 1_500
/** Beyond three times, a dial to the far side takes half of the 5 s that kad-dht waits */
const SCALES = [1, 1.5, 2, 3]
const NAMES: readonly ContestantName[] = ['kadDht', 'ours', 'oracle']
const GET_PROVIDERS = 3

export const bars = {
  p50: { max: 1.3 },
  p90: { max: 2 },
  kadDhtEnd: { max: 0.5 },
  kadDhtFirst: { max: 1.1 },
  found: { min: 1 },
  p50Live: { max: 1.1 },
  messages: { max: 1.2 }
}

interface Phase {
  readonly rounds: readonly Round[]
  readonly requests: Readonly<Record<ContestantName, number>>
  readonly load: LoopLoad
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  // libp2p makes thousands of errors that nobody reads: their traces are a tenth of all that is computed
  Error.stackTraceLimit = 0
  const size = short ? { nodes: 40, blocks: 4 } : { nodes: NODES, blocks: BLOCKS }
  const { world, scale } = await calibrated({ ...size, seed }, log)
  log(`${size.nodes} nodes, delays ${scale} times 10 to 120 ms`)
  log(`${(100 * await world.place()).toFixed(1)} % of the records of ${size.blocks} blocks are placed`)
  const live = await measure(world, short ? 1 : LIVE_GROUPS, short ? 2 : LIVE_LOOKUPS, false)
  log(`all alive: ${live.rounds.length} lookups each, event loop ${percent(live.load)} busy`)
  world.kill(DEAD)
  const dead = await measure(world, short ? 2 : GROUPS, short ? 2 : LOOKUPS, true)
  log(`${DEAD * 100} % dead: ${dead.rounds.length} lookups each, event loop ${percent(dead.load)} busy`)
  await world.network.stop()

  const against = (phase: Phase, other: ContestantName, share: number): number => quantile(ends(phase.rounds, 'ours'), share) / quantile(ends(phase.rounds, other), share)

  return {
    ratios: {
      p50: against(dead, 'oracle', 0.5),
      p90: against(dead, 'oracle', 0.9),
      kadDhtEnd: against(dead, 'kadDht', 0.9),
      kadDhtFirst: quantile(firsts(dead.rounds, 'ours'), 0.9) / quantile(firsts(dead.rounds, 'kadDht'), 0.9),
      found: Math.min(foundShare(dead.rounds), foundShare(live.rounds)),
      p50Live: against(live, 'oracle', 0.5),
      messages: live.requests.ours / live.requests.kadDht
    },
    absolute: {
      nodes: size.nodes,
      delayScale: scale,
      loopBusyLive: live.load.utilisation,
      loopBusyDead: dead.load.utilisation,
      loopLatenessLive: live.load.lateness,
      loopLatenessDead: dead.load.lateness,
      memory: Math.round(process.memoryUsage().rss / 1e6),
      live: NAMES.map(name => row(live.rounds, name, live.requests[name])),
      dead: NAMES.map(name => row(dead.rounds, name, dead.requests[name]))
    },
    bars
  }
}

/** A world whose delays are long enough for this machine: what keeps it busy more than half the time is measured instead of the network */
async function calibrated (init: Omit<WorldInit, 'scale'>, log: (line: string) => void): Promise<{ world: World, scale: number }> {
  for (const [i, scale] of SCALES.entries()) {
    const world = await makeWorld({ ...init, scale })
    const { load } = await measure(world, 1, CALIBRATION, false)

    if (load.utilisation <= BUSY || i === SCALES.length - 1) {
      return { world, scale }
    }

    log(`event loop ${percent(load)} busy: longer delays`)
    await world.network.stop()
  }

  throw new Error('There is at least one scale')
}

async function measure (world: World, groups: number, lookups: number, sideBySide: boolean): Promise<Phase> {
  const requests: Record<ContestantName, number> = { kadDht: 0, ours: 0, oracle: 0 }
  const names = new Map<string, ContestantName>()
  const unwatch = world.network.memory.watch(({ from, protocol, bytes }) => {
    const name = names.get(from)

    if (name != null && protocol === world.network.protocol && messageType(bytes) === GET_PROVIDERS) {
      requests[name]++
    }
  })
  const loaded = watchLoop()
  const rounds: Round[] = []

  const group = async (g: number): Promise<void> => {
    const three = await contestants(world)
    NAMES.forEach(name => { names.set(three[name].node.id, name) })

    for (let i = 0; i < lookups; i++) {
      const cid = world.cids[(g * lookups + i) % world.cids.length]

      if (cid != null) {
        const found = sideBySide ? await together(three, cid, i) : await inTurn(three, cid, NAMES.map((_, n) => NAMES[(n + i) % NAMES.length] as ContestantName))
        rounds.push(round(world, cid, found))
      }
    }

    await Promise.all(NAMES.map(async name => { await three[name].stop() }))
  }

  try {
    if (sideBySide) {
      let next = 0
      await Promise.all(Array.from({ length: Math.min(LANES, groups) }, async (_, lane) => {
        await new Promise(resolve => { setTimeout(resolve, lane * STAGGER) })

        while (next < groups) {
          await group(next++)
        }
      }))
    } else {
      for (let g = 0; g < groups; g++) {
        await group(g)
      }
    }
    return { rounds, requests, load: loaded() }
  } finally {
    unwatch()
  }
}

type Founds = Round['found']

async function inTurn (three: Readonly<Record<ContestantName, Contestant>>, cid: Parameters<Contestant['lookup']>[0], order: readonly ContestantName[]): Promise<Founds> {
  const found: Partial<Record<ContestantName, Founds[ContestantName]>> = {}

  for (const name of order) {
    found[name] = await three[name].lookup(cid)
  }

  return found as Founds
}

/** kad-dht waits most of the time for the dead: meanwhile the two others take turns */
async function together (three: Readonly<Record<ContestantName, Contestant>>, cid: Parameters<Contestant['lookup']>[0], i: number): Promise<Founds> {
  const [kadDht, others] = await Promise.all([
    three.kadDht.lookup(cid),
    inTurn(three, cid, i % 2 === 0 ? ['ours', 'oracle'] : ['oracle', 'ours'])
  ])
  return { ...others, kadDht }
}

/** Of a length-prefixed message: its first field is its type, and all requests have fewer than 128 bytes */
function messageType (bytes: Uint8Array): number | undefined {
  return bytes[1] === 0x08 ? bytes[2] : undefined
}

function percent ({ utilisation }: LoopLoad): string {
  return `${Math.round(utilisation * 100)} %`
}
