import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { compare } from './compare.ts'
import { realPortolan, spiedPortolan } from './nodes.ts'
import { RecordingLedger } from './recording-ledger.ts'
import { DHT_PROTOCOL, world } from './world.ts'
import type { Comparison } from './compare.ts'
import type { SpiedNode } from './nodes.ts'
import type { World } from './world.ts'
import type { Ledger, PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { RetrieveOptions } from '../../../src/interface/routing.ts'
import type { CID } from 'multiformats/cid'

export interface DriveInit {
  readonly seed: number
  readonly mode: PrivacyMode
  /** Reads, announcements and questions of others */
  readonly steps: number
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
/** Milliseconds for a read in which somebody may be silent */
const PATIENCE = 1_500

/** The same where nobody fails: a busy machine is no reason to give up */
const CALM_PATIENCE = 20_000

export interface Driven extends Comparison {
  /** Reads of blocks and files, as opposed to announcements and questions of others */
  readonly retrievals: number
}

/** One node among spies: so many random things done with it, then it is stopped amid a few more, and what it said is compared */
export async function drive ({ seed, mode, steps, calm = false, between, enough = () => false }: DriveInit): Promise<Driven> {
  const spies = await world(seed)
  const { dice, sightings } = spies
  const recording = new RecordingLedger()
  let retrievals = 0
  const real = new DisclosureLedger({}, { maxEntries: 100_000 })

  try {
    // seeds of the long form are ten times a number, and the number of the mode more: so each mode has both
    spies.named = seed % 4 < 2
    const node = await (spies.named ? spiedPortolan : realPortolan)({
      mode,
      ledger: between == null ? both(recording, real) : between(recording),
      directory: await mkdtemp(join(spies.directory, 'node-')),
      resolve: spies.resolve,
      resolveText: spies.resolveText,
      serve: 'everyone',
      allowAddresses: ['127.0.0.0/8', 'alpha.spies.test', 'beta.spies.test', 'peer.spies.test'],
      timeouts: calm ? { unknown: CALM_PATIENCE, connect: CALM_PATIENCE, stall: CALM_PATIENCE } : { unknown: 250, connect: 300, stall: 250 },
      rounds: { max: 2, pause: 20 },
      leases: { idleTimeout: dice.chance(0.5) ? 50 : 30_000 },
      ...dice.chance(0.7) ? { bootstrap: dice.some(spies.servers, 2).map(({ address }) => address), dhtProtocol: DHT_PROTOCOL } : {},
      ...dice.chance(0.6) ? { redis: spies.redis.url } : {},
      ...dice.chance(0.5) ? { providers: [spies.gateways[3]?.url ?? ''] } : {},
      ...dice.chance(0.4) ? { siblings: [dice.chance(0.5) ? spies.gateways[2]?.url ?? '' : spies.peers[3]?.address ?? ''] } : {},
      ...dice.chance(0.7) ? { routers: spies.routers.map(({ url }) => ({ url, own: true })) } : {},
      ...mode === 'open' && dice.chance(0.5) ? { askConnected: 4 } : {}
    })
    spies.faults = calm ? 0 : 0.35

    const take = async (): Promise<void> => {
      const made = await step(spies, node, mode)
      retrievals += made
    }
    for (let done = 0; done < steps && !enough(); done += ABREAST) {
      await Promise.all(Array.from({ length: Math.min(ABREAST, steps - done) }, take))
    }

    // in the midst of what is under way
    const last = Array.from({ length: ABREAST }, take)
    await (calm ? Promise.all(last) : new Promise(resolve => setTimeout(resolve, dice.below(40))))
    await node.stop()
    await Promise.all(last)
    await heard(spies)
  } finally {
    await spies.close()
  }
  const comparison = compare({ sightings, entries: recording.entries, blocks: spies.keys, ports: spies.ports, peers: spies.ids, aliases: spies.aliases })
  const kept = real.entries().map(exposure => JSON.stringify([exposure.observer, exposure.subject, exposure.form, exposure.transport, exposure.state, exposure.cancelled])).sort()
  const given = recording.entries.map(({ entry }) => JSON.stringify([entry.observer, entry.key, entry.form, entry.transport, entry.state, entry.cancelled])).sort()
  const differences = between == null ? [...kept.filter(line => !given.includes(line)).map(line => `the ledger has ${line}, which it was not given`), ...given.filter(line => !kept.includes(line)).map(line => `the ledger has lost ${line}`)] : []
  return { ...comparison, retrievals, faults: [...comparison.faults, ...differences] }
}

function both (...ledgers: readonly Ledger[]): Ledger {
  return {
    intended: entry => { ledgers.forEach(ledger => { ledger.intended(entry) }) },
    settled: entry => { ledgers.forEach(ledger => { ledger.settled(entry) }) }
  }
}

async function heard ({ sightings }: World): Promise<void> {
  for (let before = -1; before !== sightings.seen.length;) {
    before = sightings.seen.length
    await new Promise(resolve => setTimeout(resolve, QUIET))
  }
}

/** Returns how many retrievals that was */
async function step (spies: World, node: SpiedNode, mode: PrivacyMode): Promise<0 | 1> {
  const { dice } = spies
  const what = dice.below(12)
  const cid = dice.pick(spies.blocks)

  if (what === 0) {
    await quietly(async () => node.contentRouting.announce(dice.some(spies.blocks, 1 + dice.below(3)), { signal: AbortSignal.timeout(PATIENCE) }))
    return 0
  } else if (what <= 2) {
    await asked(spies, node, cid)
    return 0
  } else if (what <= 4) {
    await file(spies, node)
  } else if (what === 5) {
    await session(spies, node)
  } else if (what === 6) {
    // several readers, of whom some leave
    const options = hinted(spies)
    await Promise.all(Array.from({ length: 3 }, async () => quietly(async () => node.contentRouting.retrieve(cid, { ...options, ...leaving(spies) }))))
  } else if (what === 7) {
    await quietly(async () => {
      for await (const bytes of node.helia.blockstore.get(cid, { signal: AbortSignal.timeout(PATIENCE) })) {
        void bytes
      }
    })
  } else {
    await quietly(async () => node.contentRouting.retrieve(cid, { ...hinted(spies), ...leaving(spies), ...dice.chance(0.2) && mode === 'open' ? { mode: dice.pick(['open', 'balanced', 'strict']) } : {} }))
  }
  return 1
}

/** Whom a reader names, if anybody */
function hinted ({ dice, gateways, peers, dead, named }: World): Pick<RetrieveOptions, 'providers'> {
  const byName = (dice.chance(0.5) ? 'alpha' : 'beta') + '.spies.test'
  const all = [
    ...gateways.map(({ url }) => url),
    ...named ? [`http://${byName}:${gateways[0]?.port ?? 0}`] : [],
    ...peers.map(({ address }) => address),
    ...peers.slice(0, named ? 2 : 0).map(({ address }) => address.replace('/ip4/127.0.0.1/', '/dns4/peer.spies.test/')),
    // nobody says where: it is looked for
    ...peers.map(({ id }) => id),
    dead,
    `/ip4/127.0.0.1/tcp/${new URL(dead).port}/p2p/${peers[2]?.id ?? ''}`
  ]
  return dice.chance(0.75) ? { providers: dice.some(all, 1 + dice.below(3)) } : {}
}

/** When a reader has had enough */
function leaving ({ dice, faults }: World): Pick<RetrieveOptions, 'signal' | 'timeout'> {
  if (faults === 0) {
    return { timeout: CALM_PATIENCE }
  }
  return {
    timeout: dice.chance(0.2) ? 50 + dice.below(200) : PATIENCE,
    ...dice.chance(0.3) ? { signal: AbortSignal.timeout(1 + dice.below(60)) } : {}
  }
}

async function file (spies: World, node: SpiedNode): Promise<void> {
  const { dice, files } = spies
  const { root, bytes } = dice.pick(files)
  const range = dice.chance(0.5) ? { offset: dice.below(bytes.length), length: 1 + dice.below(60_000) } : {}
  let left = dice.chance(0.3) ? 1 + dice.below(4) : Infinity

  await quietly(async () => {
    for await (const chunk of node.contentRouting.retrieveContent(root, { ...range, ...hinted(spies), ...leaving(spies) })) {
      if (chunk.length > 0 && --left === 0) {
        return
      }
    }
  })
}

async function session (spies: World, node: SpiedNode): Promise<void> {
  const { dice } = spies
  const { root, others } = dice.pick(spies.files)
  const reads = node.contentRouting.createSession(root, { ...hinted(spies), timeout: PATIENCE, prefetch: dice.chance(0.5) })

  await quietly(async () => reads.retrieve(root))
  for (const cid of dice.some(others, 3)) {
    await quietly(async () => reads.retrieve(cid, leaving(spies)))
  }
  reads.close()
}

/** A spy comes and wants to know what the node has */
async function asked ({ dice, peers }: World, node: SpiedNode, cid: CID): Promise<void> {
  const spy = dice.pick(peers)
  await quietly(async () => spy.ask(node.libp2p.getMultiaddrs(), cid, dice.chance(0.5) ? 'block' : 'have'))
}

/** That a read fails among those who fail on purpose says nothing */
async function quietly (work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (err) {
    if (['TypeError', 'ReferenceError', 'InvalidOptionError'].includes((err as Error).name)) {
      throw err
    }
  }
}
