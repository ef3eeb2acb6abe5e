import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { seededBytes } from '../../test/interop/sample-data.ts'
import { blockKey } from '../../src/block/key.ts'
import { createPortolan } from '../../src/portolan.ts'
import { MetadataCollector } from '../../src/privacy/collector/metadata-collector.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { startFarm } from '../end-to-end/farm.ts'
import { median } from '../end-to-end/median.ts'
import { ownProcess } from '../exchange/own-child.ts'
import type { Portolan } from '../../src/portolan.ts'

const BLOCK = 16 * 1024
const BLOCKS = 512
const BLOCKS_SHORT = 64
const ROUNDS = 80
const ROUNDS_SHORT = 2
/** Pairs before it counts: code is compiled, connections are open */
const WARM_UP = 4
/** One of each side after the other, each for its part of the rounds */
const NODES = 8
/** As many reads at a time as a session has under way */
const WIDE = 8

export interface Overhead {
  readonly transport: 'bitswap' | 'http'
  /** How the collector sees streams: each wrapped, or told of by the metrics that the node was made with */
  readonly streams: 'wrap' | 'metrics'
  /** Throughput with everything watching, against none of it: the median over pairs */
  readonly ratio: number
  readonly onMBs: number
  readonly offMBs: number
  /** Of the processor, everything on against everything off: what the ratio tends to where the processor is the limit */
  readonly cpu: number
  /** Entries of the ledger a block read */
  readonly disclosures: number
}

interface Times {
  readonly on: number[]
  readonly off: number[]
  readonly ratio: number[]
  readonly cpu: number[]
}

interface PairsInit {
  readonly streams: Overhead['streams']
  readonly provider: string
  readonly cids: readonly CID[]
  readonly rounds: number
  /** Which of the two nodes is made first */
  readonly isOnFirst: boolean
  /** Whether the collector sees the bytes: HTTP is none of libp2p's */
  readonly isCounted: boolean
}

interface Side {
  readonly node: Portolan
  readonly provider: string
  readonly cids: readonly CID[]
}

/**
 * Two nodes in this process read the same blocks of 16 KiB over and over from another process (bitswap) or thread
 * (HTTP), keeping none: one with a ledger and a collector that counts each stream, the other with neither. They take
 * turns, and who begins changes.
 */
export async function overhead ({ seed, short }: { seed: number, short: boolean }): Promise<Overhead[]> {
  const count = short ? BLOCKS_SHORT : BLOCKS
  const rounds = short ? ROUNDS_SHORT : ROUNDS
  const results: Overhead[] = []
  const peer = await ownProcess()

  try {
    const { root } = await peer.tell('add', { seed, size: BLOCK * count, chunkSize: BLOCK })
    const keys = await peer.tell('keys', null)
    // the root is of another size
    const cids = keys.map(key => CID.parse(key)).filter(cid => blockKey(cid) !== blockKey(CID.parse(root)))
    results.push(await pairsOf('bitswap', 'wrap', peer.multiaddrs[0] ?? '', cids, rounds))
    results.push(await pairsOf('bitswap', 'metrics', peer.multiaddrs[0] ?? '', cids, rounds))
  } finally {
    await peer.stop()
  }

  const blocks = await blocksOf(Buffer.concat([...seededBytes(BLOCK * count, seed)]))
  const farm = await startFarm({ blocks: new Map(blocks.map(({ cid, bytes }) => [blockKey(cid), bytes])), gateways: [{ kind: 'good' }], seed })

  try {
    results.push(await pairsOf('http', 'wrap', farm.urls[0] ?? '', blocks.map(({ cid }) => cid), rounds))
  } finally {
    await farm.close()
  }
  return results
}

/** Of several nodes each, since which of two equal ones is quicker, by where its memory lies, stays so for as long as they live */
async function pairsOf (transport: Overhead['transport'], streams: Overhead['streams'], provider: string, cids: readonly CID[], rounds: number): Promise<Overhead> {
  const times: Times = { on: [], off: [], ratio: [], cpu: [] }
  const disclosures: number[] = []
  const nodes = Math.min(NODES, rounds)

  for (let i = 0; i < nodes; i++) {
    disclosures.push(await pairs({ streams, provider, cids, rounds: Math.ceil(rounds / nodes), isOnFirst: i % 2 === 0, isCounted: transport === 'bitswap' }, times))
  }
  const rate = (ms: number): number => cids.length * BLOCK / 1e3 / ms
  return { transport, streams, ratio: median(times.ratio), onMBs: rate(median(times.on)), offMBs: rate(median(times.off)), cpu: median(times.cpu), disclosures: Math.min(...disclosures) }
}

/** @returns entries of the ledger for each block read */
async function pairs ({ streams, provider, cids, rounds, isOnFirst, isCounted }: PairsInit, times: Times): Promise<number> {
  const ledger = new DisclosureLedger()
  const first = await reader(isOnFirst && ledger)
  const second = await reader(!isOnFirst && ledger)
  const [on, off] = isOnFirst ? [first, second] : [second, first]
  const collector = new MetadataCollector(on.libp2p, { streams: streams === 'wrap' ? 'wrap' : 'auto', ledger })

  try {
    const sides = { on: { node: on, provider, cids }, off: { node: off, provider, cids } }
    const before = ledger.stats().total

    for (let i = -WARM_UP; i < rounds; i++) {
      const took = { on: 0, off: 0 }
      const cpu = { on: 0, off: 0 }
      for (const name of i % 2 === 0 ? ['on', 'off'] as const : ['off', 'on'] as const) {
        const before = process.cpuUsage()
        took[name] = await readAll(sides[name])
        const { user, system } = process.cpuUsage(before)
        cpu[name] = user + system
      }
      if (i >= 0) {
        times.on.push(took.on)
        times.off.push(took.off)
        times.ratio.push(took.off / took.on)
        times.cpu.push(cpu.on / cpu.off)
      }
    }
    const disclosures = (ledger.stats().total - before) / (cids.length * (rounds + WARM_UP))

    if (disclosures < 1 || (isCounted && (collector.getStatistics().bytesReceived ?? 0) < cids.length * BLOCK * rounds)) {
      throw new Error(`what was to be measured did not run: ${disclosures} disclosures a block, ${collector.getStatistics().bytesReceived} bytes counted`)
    }
    return disclosures
  } finally {
    collector.detach()
    await on.stop()
    await off.stop()
  }
}

async function reader (ledger: DisclosureLedger | false): Promise<Portolan> {
  return await createPortolan({ ledger, listen: [], allowAddresses: ['127.0.0.0/8'] })
}

/** Milliseconds for all of them */
async function readAll ({ node, provider, cids }: Side): Promise<number> {
  const waiting = [...cids]
  let bytes = 0
  const begun = performance.now()

  await Promise.all(Array.from({ length: WIDE }, async () => {
    for (let cid = waiting.pop(); cid != null; cid = waiting.pop()) {
      const block = await node.contentRouting.retrieve(cid, { providers: [provider], store: false })
      bytes += block.byteLength
    }
  }))
  const took = performance.now() - begun

  if (bytes !== cids.length * BLOCK) {
    throw new Error(`${bytes} bytes came, not ${cids.length * BLOCK}`)
  }
  return took
}

async function blocksOf (bytes: Uint8Array): Promise<Array<{ cid: CID, bytes: Uint8Array }>> {
  const parts = Array.from({ length: bytes.byteLength / BLOCK }, (_, i) => bytes.subarray(i * BLOCK, (i + 1) * BLOCK))
  return await Promise.all(parts.map(async part => ({ cid: CID.createV1(0x55, await sha256.digest(part)), bytes: part })))
}
