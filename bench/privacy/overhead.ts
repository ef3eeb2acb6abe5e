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
import type { DisclosureEntry, Ledger } from '../../src/interface/disclosure.ts'
import type { Portolan } from '../../src/portolan.ts'

const BLOCK = 16 * 1024
const BLOCKS = 512
const BLOCKS_SHORT = 64
const ROUNDS = 48
const ROUNDS_SHORT = 2
/** Pairs before it counts: code is compiled, connections are open */
const WARM_UP = 2
/** One after the other, each for its part of the rounds: how quick a node is, by where its memory lies, stays so as long as it lives */
const NODES = 8
/** Times that all blocks are read in a pass, after a first one that does not count: what watches has only just begun then */
const READS = 3
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
  /** Whether the collector sees the bytes: HTTP is none of libp2p's */
  readonly isCounted: boolean
}

interface Reads {
  readonly node: Portolan
  readonly provider: string
  readonly cids: readonly CID[]
}

/**
 * A node in this process reads the same blocks of 16 KiB over and over from another process (bitswap) or thread
 * (HTTP), keeping none: in turns with a ledger and a collector that counts each stream, and with neither; which comes
 * first changes. It is one and the same node, since two equal ones differ by a tenth for as long as they live.
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

async function pairsOf (transport: Overhead['transport'], streams: Overhead['streams'], provider: string, cids: readonly CID[], rounds: number): Promise<Overhead> {
  const times: Times = { on: [], off: [], ratio: [], cpu: [] }
  const disclosures: number[] = []
  const nodes = Math.min(NODES, rounds)

  for (let i = 0; i < nodes; i++) {
    disclosures.push(await pairs({ streams, provider, cids, rounds: Math.ceil(rounds / nodes), isCounted: transport === 'bitswap' }, times))
  }
  const rate = (ms: number): number => READS * cids.length * BLOCK / 1e3 / ms
  return { transport, streams, ratio: median(times.ratio), onMBs: rate(median(times.on)), offMBs: rate(median(times.off)), cpu: median(times.cpu), disclosures: Math.min(...disclosures) }
}

/** @returns entries of the ledger for each block read */
async function pairs ({ streams, provider, cids, rounds, isCounted }: PairsInit, times: Times): Promise<number> {
  const ledger = new DisclosureLedger()
  const told = new SwitchedLedger(ledger)
  const node = await createPortolan({ ledger: told, listen: [], allowAddresses: ['127.0.0.0/8'] })
  // every node has one from its start on
  node.privacy.collector.detach()
  let counted = 0

  async function pass (name: 'on' | 'off'): Promise<{ took: number, cpu: number }> {
    const collector = name === 'on' ? new MetadataCollector(node.libp2p, { streams: streams === 'wrap' ? 'wrap' : 'auto', ledger }) : undefined
    told.isOn = name === 'on'
    await readAll({ node, provider, cids })

    let took = 0
    const before = process.cpuUsage()
    for (let i = 0; i < READS; i++) {
      took += await readAll({ node, provider, cids })
    }
    const { user, system } = process.cpuUsage(before)
    counted += collector?.getStatistics().bytesReceived ?? 0
    collector?.detach()
    return { took, cpu: user + system }
  }

  try {
    for (let i = -WARM_UP; i < rounds; i++) {
      const [first, second] = i % 2 === 0 ? ['on', 'off'] as const : ['off', 'on'] as const
      const took = { [first]: await pass(first), [second]: await pass(second) } as Record<'on' | 'off', Awaited<ReturnType<typeof pass>>>

      if (i >= 0) {
        times.on.push(took.on.took)
        times.off.push(took.off.took)
        times.ratio.push(took.off.took / took.on.took)
        times.cpu.push(took.on.cpu / took.off.cpu)
      }
    }
    const read = cids.length * (READS + 1) * (rounds + WARM_UP)
    const disclosures = ledger.stats().total / read

    if (disclosures < 1 || (isCounted && counted < read * BLOCK)) {
      throw new Error(`what was to be measured did not run: ${disclosures} disclosures a block, ${counted} bytes counted of ${read * BLOCK}`)
    }
    return disclosures
  } finally {
    await node.stop()
  }
}

/** While it is off it forgets, as that of a node that has none */
class SwitchedLedger implements Ledger {
  isOn = false
  readonly #ledger: Ledger

  constructor (ledger: Ledger) {
    this.#ledger = ledger
  }

  intended (entry: DisclosureEntry): void {
    if (this.isOn) {
      this.#ledger.intended(entry)
    }
  }

  settled (entry: DisclosureEntry): void {
    if (this.isOn) {
      this.#ledger.settled(entry)
    }
  }
}

/** Milliseconds for all of them */
async function readAll ({ node, provider, cids }: Reads): Promise<number> {
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
