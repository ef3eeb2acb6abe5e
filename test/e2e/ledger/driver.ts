import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { contradictions } from './claims.ts'
import { compare } from './compare.ts'
import { realPortolan, spiedPortolan } from './nodes.ts'
import { byPath } from './path-table.ts'
import { RecordingLedger } from './recording-ledger.ts'
import { Stage } from './stage.ts'
import { CALM_PATIENCE, step } from './steps.ts'
import { DHT_PROTOCOL, world } from './world.ts'
import type { Comparison } from './compare.ts'
import type { Dice } from './dice.ts'
import type { SpiedInit, SpiedNode } from './nodes.ts'
import type { PathTable } from './path-table.ts'
import type { World } from './world.ts'
import type { Ledger, PrivacyMode } from '../../../src/interface/disclosure.ts'

/*
 * What a seed decides: who is there under which identity, what they hold, how the node
 * is set up, each step and its patience, what each spy does the n-th time that it is
 * asked, and the dice of the node. What it cannot decide: which of several questions
 * under way reaches a spy first, and so which of them is its n-th; when a timer of a
 * few milliseconds ends beside an answer; which ports there are; what `createPortolan`
 * rolls, which has the dice of the machine (every other node is one of those); the
 * identity of lookups in mode `strict`; and how often libp2p speaks of its own accord.
 */

export interface DriveInit {
  readonly seed: number
  readonly mode: PrivacyMode
  /** Reads, announcements and questions of others. @default as many as `retrievals` takes */
  readonly steps?: number
  /** Goes on until so many were made */
  readonly retrievals?: number
  /** Asked after every few steps: so much has been seen that no more are needed. @default all steps are done */
  readonly enough?: () => boolean
  /** Nobody fails, leaves early or stops amid something. @default false */
  readonly calm?: boolean
  /** Stands between the node and what is compared: for showing that a ledger that lies is found out. @default nothing */
  readonly between?: (ledger: Ledger) => Ledger
}

/** Milliseconds without a word before a spy is taken to have heard everything */
const QUIET = 60
/** So many at once */
const ABREAST = 4
/** A seed of which this many steps make too few retrievals has none to make */
const MAX_STEPS = 1_000

export interface Driven extends Comparison {
  readonly mode: PrivacyMode
  /** Calls of `retrieve`, `retrieveContent`, a session or the blockstore */
  readonly retrievals: number
  readonly byPath: PathTable
}

/** One node among spies: so many random things done with it, then it is stopped amid a few more, and what it said is compared */
export async function drive ({ seed, mode, steps = MAX_STEPS, retrievals = Infinity, calm = false, between, enough = () => false }: DriveInit): Promise<Driven> {
  const spies = await world(seed)
  // seeds of the long form are ten times a number, and the number of the mode more: so each mode has both
  spies.named = seed % 4 < 2

  return perform(spies, { mode, between, make: spies.named ? spiedPortolan : realPortolan, options: randomOptions(spies, mode, calm) }, async stage => {
    const { dice } = spies
    let made = 0
    const take = async (): Promise<void> => { await step(stage, dice.of(`step ${made++}`)) }
    spies.faults = calm ? 0 : 0.35

    while (made < steps && stage.retrievals < retrievals && !enough()) {
      await Promise.all(Array.from({ length: Math.min(ABREAST, steps - made) }, take))
    }

    // in the midst of what is under way
    stage.ended = true
    const last = Array.from({ length: ABREAST }, take)
    await (calm ? Promise.all(last) : new Promise(resolve => setTimeout(resolve, dice.of('end').below(40))))
    await stage.node.stop()
    await Promise.all(last)
  })
}

export interface Performance {
  readonly mode: PrivacyMode
  readonly make: (init: SpiedInit) => Promise<SpiedNode>
  readonly options: Partial<SpiedInit>
  readonly between?: (ledger: Ledger) => Ledger
}

/** A node with everything that it is given, what is done with it, and who knows of what afterwards */
export async function perform (spies: World, { mode, make, options, between }: Performance, play: (stage: Stage) => Promise<void>): Promise<Driven> {
  const { dice, sightings } = spies
  const recording = new RecordingLedger()
  const real = new DisclosureLedger({}, { maxEntries: 100_000 })
  let stage: Stage

  try {
    const node = await make({
      mode,
      ledger: between == null ? both(recording, real) : between(recording),
      directory: await mkdtemp(join(spies.directory, 'node-')),
      privateKey: await generateKeyPairFromSeed('Ed25519', dice.of('key of the node').bytes(32)),
      random: dice.of('chance of the node'),
      resolve: spies.resolve,
      resolveText: spies.resolveText,
      serve: 'everyone',
      allowAddresses: ['127.0.0.0/8', 'alpha.spies.test', 'beta.spies.test', 'peer.spies.test'],
      ...options
    })
    stage = new Stage(spies, node, mode, recording)
    await play(stage)
    await heard(spies)
  } finally {
    await spies.close()
  }
  const comparison = compare({ sightings, entries: recording.entries, blocks: spies.keys, ports: spies.ports, peers: spies.ids, aliases: spies.aliases })
  const contradicted = contradictions(recording.entries.map(({ entry }) => entry), mode)
  const differences = between == null ? apart(real, recording) : []
  return { ...comparison, mode, retrievals: stage.retrievals, byPath: byPath(comparison.groups, mode, stage.played), faults: [...comparison.faults, ...contradicted, ...differences, ...stage.faults] }
}

/** Waits until no spy has heard anything for a while */
export async function heard ({ sightings }: World): Promise<void> {
  for (let before = -1; before !== sightings.seen.length;) {
    before = sightings.seen.length
    await new Promise(resolve => setTimeout(resolve, QUIET))
  }
}

function randomOptions ({ dice: all, servers, redis, gateways, peers, routers }: World, mode: PrivacyMode, calm: boolean): Partial<SpiedInit> {
  const dice: Dice = all.of('options')
  return {
    timeouts: calm ? { unknown: CALM_PATIENCE, connect: CALM_PATIENCE, stall: CALM_PATIENCE } : { unknown: 250, connect: 300, stall: 250 },
    rounds: { max: 2, pause: 20 },
    leases: { idleTimeout: dice.chance(0.5) ? 50 : 30_000 },
    ...dice.chance(0.7) ? { bootstrap: dice.some(servers, 2).map(({ address }) => address), dhtProtocol: DHT_PROTOCOL } : {},
    ...dice.chance(0.6) ? { redis: { url: redis.url } } : {},
    ...dice.chance(0.5) ? { providers: [gateways[3]?.url ?? ''] } : {},
    ...dice.chance(0.4) ? { siblings: [dice.chance(0.5) ? gateways[2]?.url ?? '' : peers[3]?.address ?? ''] } : {},
    ...dice.chance(0.7) ? { routers: routers.map(({ url }) => ({ url, own: true })) } : {},
    ...mode === 'open' && dice.chance(0.5) ? { askConnected: 4 } : {}
  }
}

/** The ledger that a user has, and the one that forgets nothing, were told the same */
function apart (real: DisclosureLedger, { entries }: RecordingLedger): string[] {
  const kept = real.entries().map(exposure => JSON.stringify([exposure.observer, exposure.subject, exposure.form, exposure.transport, exposure.state, exposure.cancelled]))
  const given = entries.map(({ entry }) => JSON.stringify([entry.observer, entry.key, entry.form, entry.transport, entry.state, entry.cancelled]))
  return [...without(kept, given).map(line => `the ledger has ${line}, which it was not given`), ...without(given, kept).map(line => `the ledger has lost ${line}`)]
}

/** Those of the one that the other has not, each as often as it is */
function without (lines: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>()
  others.forEach(line => { counts.set(line, (counts.get(line) ?? 0) + 1) })
  return lines.filter(line => {
    const left = counts.get(line) ?? 0
    counts.set(line, left - 1)
    return left <= 0
  })
}

function both (...ledgers: readonly Ledger[]): Ledger {
  return {
    intended: entry => { ledgers.forEach(ledger => { ledger.intended(entry) }) },
    settled: entry => { ledgers.forEach(ledger => { ledger.settled(entry) }) }
  }
}
