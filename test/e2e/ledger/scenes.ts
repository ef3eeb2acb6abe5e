import { DEFAULT_LOOKUP } from '../../../src/routing/lookup.ts'
import { DEFAULT_TIMEOUTS } from '../../../src/routing/timeouts.ts'
import { heard } from './driver.ts'
import { keyOf } from './stage.ts'
import { RESP_FAULTS } from './world.ts'
import type { Dice } from './dice.ts'
import type { LeapingClock } from './leaping-clock.ts'
import type { Stage } from './stage.ts'
import type { World } from './world.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { RetrieveOptions } from '../../../src/interface/routing.ts'
import type { CID } from 'multiformats/cid'

export interface Props {
  readonly clock: LeapingClock
  /** A block that nobody has asked for */
  fresh (): CID
}

/** Milliseconds for a read of which somebody is to deliver, however busy the machine is */
const PATIENT = 20_000
/** For one that nobody delivers */
const SHORT = 1_500
/** Readers of one block at once */
const READERS = 5
/** Whoever is too late on a busy machine is asked once more */
const ROUNDS = 2
/** What is to be skipped until addresses are looked at again: they hold for a quarter of an hour */
const LEAPS = 20
const LEAP = 60_000
/** For which a lookup goes on when its block is here, or somebody is measured beside */
const AFTERWARDS = Math.max(DEFAULT_LOOKUP.linger, DEFAULT_TIMEOUTS.ceiling)

/** What may be read, in an order of the dice: whatever needs that something was read before comes last */
export function scenes (stage: Stage, props: Props, dice: Dice): Array<() => Promise<void>> {
  const order = dice.some(BEFORE, BEFORE.length)
  return [...order, ...AFTER].map(scene => async () => { await scene(stage, props) })
}

type Scene = (stage: Stage, props: Props) => Promise<void>

async function hints (stage: Stage, { fresh }: Props): Promise<void> {
  const { gateways, peers } = stage.spies
  await stage.retrieve(fresh(), asking(gateways[0]?.url))
  await stage.retrieve(fresh(), asking(peers[0]?.address))
  // nobody says where: it is looked for
  await stage.retrieve(fresh(), asking(peers[1]?.id))
}

/** Names of a gateway and of a peer, one that leads nowhere, and a resolver that says nothing */
async function names (stage: Stage, { fresh }: Props): Promise<void> {
  const { gateways: [gateway], peers: [, peer], failing, rules } = stage.spies
  await stage.retrieve(fresh(), asking(`http://alpha.spies.test:${gateway?.port ?? 0}`))
  await stage.retrieve(fresh(), asking(peer?.address.replace('/ip4/127.0.0.1/', '/dns4/peer.spies.test/')))

  for (const [host, how] of [['nobody', 'a name that nobody knows'], ['peer', 'names broken']] as const) {
    const lost = fresh()
    stage.played.failures.set(`${keyOf(lost)} party:dns`, how)
    rules[host === 'peer' ? 'set' : 'delete']('names', 'broken')
    await stage.retrieve(lost, { providers: [`/dns4/${host}.spies.test/tcp/4001/p2p/${failing.peers.get(host === 'peer' ? 'wrong' : 'late')?.id ?? ''}`], timeout: SHORT })
  }
  rules.delete('names')
}

/** Nobody is named: the DHT, the routers and the fleet are asked, and in mode `open` those who are connected */
async function found (stage: Stage, { fresh, clock }: Props): Promise<void> {
  await stage.retrieve(fresh(), asking(stage.spies.peers[0]?.address))
  // whoever is asked has been there for a while
  clock.leap(6_000)
  for (let i = 0; i < 4; i++) {
    await stage.retrieve(fresh(), { timeout: PATIENT })
  }
}

async function files (stage: Stage): Promise<void> {
  const { files: [first, second, , large], gateways } = stage.spies
  if (first != null && second != null && large != null) {
    await stage.content(first, asking(gateways[3]?.url))
    await stage.content(second, { ...asking(gateways[3]?.url), offset: 50_000, length: 80_000 })
    // as one stream, where its provider can
    await stage.content(large, asking(gateways[3]?.url))
  }
}

async function prefetch (stage: Stage): Promise<void> {
  const file = stage.spies.files[2]
  if (file != null) {
    await stage.session(file, [file.root, ...file.others.slice(0, 3)], { ...asking(stage.spies.peers[0]?.address), prefetch: true }, () => ({ timeout: PATIENT }))
  }
}

/** A gateway and a peer of the fleet have it */
async function siblings (stage: Stage, { fresh }: Props): Promise<void> {
  const { rules } = stage.spies
  for (const [has, lacks] of [['gateway-2', 'peer-3'], ['peer-3', 'gateway-2']] as const) {
    rules.set(has, 'good').set(lacks, 'missing')
    await stage.retrieve(fresh(), { timeout: PATIENT })
    await stage.retrieve(fresh(), { timeout: PATIENT })
  }
  rules.set('gateway-2', 'missing').set('peer-3', 'missing')
}

/** The second level has it */
async function shared (stage: Stage, { fresh }: Props): Promise<void> {
  const { redis, held } = stage.spies
  const cid = fresh()
  redis.values.set(`portolan:1:${keyOf(cid)}`, Buffer.from(held.get(keyOf(cid)) ?? []))
  await stage.retrieve(cid, { timeout: PATIENT })
}

/** A reader leaves while somebody is silent, and another one comes in his place */
async function cancel (stage: Stage, { fresh }: Props): Promise<void> {
  const silent = stage.spies.failing.peers.get('silent')
  for (let i = 0; i < 3; i++) {
    const leaving = new AbortController()
    const read = stage.retrieve(fresh(), { providers: [silent?.address ?? ''], signal: leaving.signal, timeout: SHORT })
    await untilAsked(stage, silent?.id ?? '', i + 1, read)
    leaving.abort()
    await read
  }
}

/** Many readers of one block */
async function coalesced (stage: Stage, { fresh }: Props): Promise<void> {
  const { peers, rules, sightings } = stage.spies
  rules.set('peer-0', 'late')
  for (let i = 0; i < 3; i++) {
    const cid = fresh()
    stage.played.coalesced.add(keyOf(cid))
    await Promise.all(Array.from({ length: READERS }, async () => stage.retrieve(cid, asking(peers[0]?.address))))
    stage.played.joined += READERS - 1
    await heard(stage.spies)

    const asked = sightings.seen.filter(({ subject, what }) => subject === keyOf(cid) && what === 'asked').map(({ observer, transport, detail = '' }) => `${transport} ${detail} ${observer}`)
    const told = stage.ledger.entries.filter(({ entry }) => entry.key === keyOf(cid) && isAbout(entry) && entry.state !== 'not-sent').map(({ entry }) => `${entry.transport} ${entry.audience} ${entry.observer}`)
    for (const [who, lines] of [['spies have', asked], ['ledger has', told]] as const) {
      if (lines.length === 0 || lines.some(line => lines.filter(other => other === line).length > ROUNDS)) {
        stage.faults.push(`${READERS} readers of one block, for whom one was to ask, and the ${who} ${lines.join(', ')}`)
      }
    }
  }
  rules.delete('peer-0')
}

async function announced (stage: Stage, { fresh }: Props): Promise<void> {
  const cids = [fresh(), fresh()]
  for (const cid of cids) {
    await stage.retrieve(cid, asking(stage.spies.peers[0]?.address))
  }
  await stage.announce(cids, AbortSignal.timeout(PATIENT))
}

async function answers (stage: Stage, { fresh }: Props): Promise<void> {
  const cid = fresh()
  await stage.retrieve(cid, asking(stage.spies.peers[0]?.address))
  for (let i = 0; i < 4; i++) {
    await stage.asked(i % 2 === 0 ? cid : fresh(), stage.spies.dice.of(`who asks, ${i}`))
  }
}

/** Who is measured beside whoever delivers */
async function shadow (stage: Stage, { fresh }: Props): Promise<void> {
  const { gateways } = stage.spies
  for (let i = 0; i < 6; i++) {
    await stage.retrieve(fresh(), { providers: gateways.slice(0, 3).map(({ url }) => url), timeout: PATIENT })
  }
}

/** Everybody who fails, each in his way; whoever delivers in the end has no part in it */
async function failures (stage: Stage, { fresh }: Props): Promise<void> {
  const { failing, dead, rules } = stage.spies
  const named = [...[...failing.gateways.values()].map(({ url }) => url), ...[...failing.peers.values()].map(({ address }) => address), dead]
  const { port } = new URL(dead)

  for (let i = 0; i < named.length; i += 4) {
    await Promise.all(named.slice(i, i + 4).map(async hint => stage.retrieve(fresh(), { providers: [hint], timeout: SHORT })))
  }
  await stage.retrieve(fresh(), { providers: [`/ip4/127.0.0.1/tcp/${port}/p2p/${failing.peers.get('missing')?.id ?? ''}`], timeout: SHORT })

  // after a connection that broke it is left alone for a while
  for (const how of RESP_FAULTS) {
    const cid = fresh()
    rules.set('redis', how)
    stage.played.failures.set(`${keyOf(cid)} party:${stage.spies.redis.url}`, `shared L2 ${how}`)
    await stage.retrieve(cid, { timeout: PATIENT })
    rules.delete('redis')
  }
}

/** In the background, long after */
async function probes (_: Stage, { clock }: Props): Promise<void> {
  for (let i = 0; i < LEAPS; i++) {
    clock.leap(LEAP)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** What is here is read again: nobody learns of it */
async function again (stage: Stage, { fresh, clock }: Props): Promise<void> {
  const { spies: { sightings, files: [file], peers: [peer] }, ledger: { entries } } = stage
  const cids = [fresh(), fresh(), fresh()]
  const readAll = async (): Promise<void> => {
    for (const cid of cids) {
      if (await stage.retrieve(cid, asking(peer?.address)) == null) {
        stage.faults.push(`${cid} could not be read`)
      }
      await stage.get(cid, AbortSignal.timeout(PATIENT))
    }
    if (file != null && await stage.content(file, asking(peer?.address)) < file.bytes.length) {
      stage.faults.push(`the file ${file.root} could not be read`)
    }
    await heard(stage.spies)
  }
  // when they are asked for a second time, the second level is given them: it is one of those who learn what is read
  await readAll()
  await readAll()
  // what was read before has lookups that go on for a while, and shadows that are measured
  clock.leap(AFTERWARDS)
  await heard(stage.spies)
  const [seen, told, before] = [sightings.seen.length, entries.length, stage.retrievals]

  await readAll()
  stage.played.hits += stage.retrievals - before

  for (const { observer, transport, subject } of sightings.seen.slice(seen)) {
    stage.faults.push(`what was here was read again, and ${observer} was told something by ${transport}: ${subject}`)
  }
  for (const { entry: { observer, transport, purpose, state } } of entries.slice(told)) {
    stage.faults.push(`what was here was read again, and the ledger has an entry for it: ${purpose} ${transport} ${observer} ${state}`)
  }
}

const BEFORE: readonly Scene[] = [hints, names, found, files, prefetch, siblings, shared, cancel, coalesced, announced, answers, shadow]
const AFTER: readonly Scene[] = [again, failures, probes]

/** Who fails, by the names that the ledger has for them */
export function failuresOf ({ failing, dead }: World): Map<string, string> {
  return new Map([
    ...[...failing.gateways].map(([how, { url }]) => [`http:${new URL(url).host}`, `gateway ${how}`] as const),
    ...[...failing.peers].map(([how, { id }]) => [`p2p:${id}`, `peer ${how}`] as const),
    [`http:${new URL(dead).host}`, 'nobody listens']
  ])
}

function isAbout ({ form }: DisclosureEntry): boolean {
  return form === 'cid' || form === 'multihash'
}

function asking (hint = ''): RetrieveOptions {
  return { providers: [hint], timeout: PATIENT }
}

/** Until a peer was asked for a block so many times, or the read is over without that */
async function untilAsked ({ spies: { sightings } }: Stage, peer: string, times: number, read: Promise<unknown>): Promise<void> {
  let over = false
  void read.then(() => { over = true })

  while (!over && sightings.seen.filter(({ observer, what, transport }) => observer === `p2p:${peer}` && what === 'asked' && transport === 'bitswap').length < times) {
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
