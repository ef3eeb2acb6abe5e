import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { bitswapSpy } from './bitswap-spy.ts'
import { ownNode } from './own-node.ts'
import type { Portolan } from '../../src/portolan.ts'
import type { BitswapSpy, BitswapSpyInit } from './bitswap-spy.ts'

const RAW = 0x55
/** Connected, speaking bitswap, and never chosen */
const BYSTANDERS = 10
/** Wants at a time: below what is asked of one peer at once */
const WAVE = 25
/** Blocks that a peer has to give before it counts as one that delivers */
const PROOF = 20
/** Half of the wants should go to the one that fails, and a quarter of them is needed */
const MAX_ROUNDS = 40
/** A want takes milliseconds to the wire, a silent peer is given up within seconds */
const WAIT = 60_000

export interface CancelFigures {
  /** Wants that reached a peer and were aborted by the caller, and those of them that were cancelled on the wire */
  readonly aborted: Tally
  /** Wants that reached a peer and were satisfied by another one */
  readonly elsewhere: Tally
  /** Blocks that were read in mode `open`, in which connected peers may be asked too, from a peer that was named and had them */
  readonly open: number
  /** Wants that the bystanders saw, all together */
  readonly broadcast: number
  /** Those of them that they saw while blocks were read in mode `open` */
  readonly broadcastOpen: number
  /** Lines of any kind that they saw */
  readonly bystanderLines: number
}

export interface Tally {
  readonly wanted: number
  readonly cancelled: number
}

/**
 * What a peer learns of wants that are over, and others of any: counted by
 * peers that write down every line which reaches them.
 */
export async function cancels ({ seed, aborted, elsewhere, open }: { seed: number, aborted: number, elsewhere: number, open: number }): Promise<CancelFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'portolan-own-'))
  const node = await ownNode(folder)
  const spies: BitswapSpy[] = []
  const spy = async (init: Parameters<typeof bitswapSpy>[0] = {}): Promise<BitswapSpy> => {
    const one = await bitswapSpy(init)
    spies.push(one)
    await node.libp2p.dial(multiaddr(one.multiaddrs[0] ?? ''), { signal: AbortSignal.timeout(WAIT) })
    return one
  }

  try {
    const bystanders: BitswapSpy[] = []
    for (let i = 0; i < BYSTANDERS; i++) {
      bystanders.push(await spy())
    }
    const aborting = await fallible(spy)
    await prove(node, aborting, `${seed} aborting`)
    aborting.silent = true
    const first = await tallyOf(aborting.spy, async () => { await abortAll(node, aborting.spy, seed, aborted) })
    const second = { wanted: 0, cancelled: 0 }

    // with new peers each time: one that was silent is hardly chosen again
    for (let round = 0; second.wanted < elsewhere && round < MAX_ROUNDS; round++) {
      const name = `${seed} elsewhere ${round}`
      const [failing, reliable] = [await fallible(spy), await fallible(spy)]
      await prove(node, failing, `${name} a`)
      await prove(node, reliable, `${name} b`)
      failing.silent = true
      const blocks = await blocksOf(name, WAVE)
      blocks.forEach((block, cid) => { reliable.blocks.set(cid, block) })
      const tally = await tallyOf(failing.spy, async () => {
        await Promise.all([...blocks.values()].map(async ({ cid }) => {
          await node.contentRouting.retrieve(cid, { providers: [failing, reliable].map(({ spy }) => spy.multiaddrs[0] ?? ''), signal: AbortSignal.timeout(WAIT) })
        }))
      })
      second.wanted += tally.wanted
      second.cancelled += tally.cancelled
    }

    const seen = (): number => bystanders.reduce((sum, { wants }) => sum + wants.length, 0)
    const before = seen()
    const named = await fallible(spy)
    await prove(node, named, `${seed} open`)
    const read = await readOpenly(node, named, seed, open)

    return {
      aborted: first,
      elsewhere: second,
      open: read,
      broadcast: seen(),
      broadcastOpen: seen() - before,
      bystanderLines: bystanders.reduce((sum, { lines }) => sum + lines.length, 0)
    }
  } finally {
    await node.stop()
    await Promise.all(spies.map(async one => { await one.stop() }))
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** A peer that gives what it has until it falls silent */
interface Fallible {
  readonly spy: BitswapSpy
  readonly blocks: Map<string, Block>
  silent: boolean
}

async function fallible (start: (init: BitswapSpyInit) => Promise<BitswapSpy>): Promise<Fallible> {
  const blocks = new Map<string, Block>()
  const peer = { blocks, silent: false }
  const spy = await start({
    answer: wants => peer.silent ? undefined : { blocks: wants.filter(({ cancel }) => !cancel).flatMap(({ cid }) => blocks.get(cid.toString()) ?? []) }
  })
  return Object.assign(peer, { spy })
}

/**
 * Of a peer that nothing was had from yet hardly anything is wanted at a time. In
 * mode `open`, in which connected peers are asked too when nobody else has it.
 */
async function prove (node: Portolan, { spy, blocks }: Fallible, name: string): Promise<void> {
  const proof = await blocksOf(`${name} proof`, PROOF)
  proof.forEach((block, cid) => { blocks.set(cid, block) })
  await Promise.all([...proof.values()].map(async ({ cid }) => node.contentRouting.retrieve(cid, { providers: spy.multiaddrs, mode: 'open', signal: AbortSignal.timeout(WAIT) })))
}

/** Half of them one by one, half in sessions. Returns how many came from the peer that was named. */
async function readOpenly (node: Portolan, { spy, blocks }: Fallible, seed: number, count: number): Promise<number> {
  const wanted = new Set<string>()
  for (let from = 0; from < count; from += WAVE) {
    const wave = await blocksOf(`${seed} openly ${from}`, Math.min(WAVE, count - from))
    wave.forEach((block, cid) => {
      blocks.set(cid, block)
      wanted.add(cid)
    })
    const [{ cid: first }] = wave.values() as unknown as [Block]
    const options = { providers: spy.multiaddrs, mode: 'open', signal: AbortSignal.timeout(WAIT) } as const
    const session = node.contentRouting.createSession(first, options)
    try {
      await Promise.all([...wave.values()].map(async ({ cid }) => from % (2 * WAVE) === 0 ? await node.contentRouting.retrieve(cid, options) : await session.retrieve(cid)))
    } finally {
      session.close()
    }
  }
  const asked = new Set(spy.wants.map(({ cid }) => cid.toString()))
  return [...wanted].filter(cid => asked.has(cid)).length
}

async function abortAll (node: Portolan, silent: BitswapSpy, seed: number, count: number): Promise<void> {
  for (let from = 0; from < count; from += WAVE) {
    const blocks = await blocksOf(`${seed} aborted ${from}`, Math.min(WAVE, count - from))
    const controller = new AbortController()
    const seen = new Set<string>()
    const reads = [...blocks.values()].map(async ({ cid }) => node.contentRouting.retrieve(cid, { providers: silent.multiaddrs, signal: controller.signal }))
    const ended = Promise.allSettled(reads)
    await within(silent, 'the wants', () => {
      silent.wants.forEach(({ cid }) => { seen.add(cid.toString()) })
      return [...blocks.keys()].every(cid => seen.has(cid))
    })
    controller.abort(new Error('nobody waits for it any longer'))
    await ended
  }
}

/** Of the wants that a peer saw meanwhile, by CID, how many it was told to forget */
async function tallyOf (spy: BitswapSpy, work: () => Promise<void>): Promise<Tally> {
  const before = spy.wants.length
  await work()
  const wanted = new Set(spy.wants.slice(before).map(({ cid }) => cid.toString()))
  const cancelled = (): number => {
    const gone = new Set(spy.cancels.map(({ cid }) => cid.toString()))
    return [...wanted].filter(cid => gone.has(cid)).length
  }

  if (spy.streams.some(({ status }) => status !== 'open' && status !== 'closing')) {
    throw new Error('a stream was not open any more')
  }
  try {
    await within(spy, 'the cancels', () => cancelled() === wanted.size)
  } catch (err) {
    if ((err as Error).name !== 'LateError') {
      throw err
    }
  }
  return { wanted: wanted.size, cancelled: cancelled() }
}

class LateError extends Error {
  override name = 'LateError'
}

async function within (spy: BitswapSpy, what: string, condition: () => boolean): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new LateError(`${what} did not come within ${WAIT} ms`)) }, WAIT)
  })
  try {
    await Promise.race([spy.until(condition), late])
  } finally {
    clearTimeout(timer)
  }
}

async function blocksOf (name: string, count: number): Promise<Map<string, Block>> {
  const blocks = new Map<string, Block>()
  for (let i = 0; i < count; i++) {
    const bytes = Buffer.from(`${name} ${i}`)
    const cid = CID.createV1(RAW, await sha256.digest(bytes))
    blocks.set(cid.toString(), { cid, bytes })
  }
  return blocks
}
