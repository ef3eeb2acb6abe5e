import { code as DAG_PB, encode, prepare } from '@ipld/dag-pb'
import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { code as RAW } from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { blockKey } from '../../src/block/key.ts'
import { createPortolan } from '../../src/index.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { loopbackRouter } from '../../src/testing/loopback-router.ts'
import { startFarm } from '../end-to-end/farm.ts'
import { median } from '../end-to-end/world.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'

/** What is added to every request, in ms */
const DELAY = 25

/** Blocks of each file */
const BLOCKS = 250

/** Leaves that Helia reads at once, of a flat file: with fewer it may be faster, where requests wait for each other. 0 is its default, all. */
const CONCURRENCIES = [0, 32] as const

/**
 * - `deep`: a file that was appended to, each node links to a leaf and to the next node: which blocks come next is known one after the other
 * - `flat`: a root and its leaves: after the root all are known
 */
export type Shape = 'deep' | 'flat'

export interface CarVsBlocksInit {
  readonly seed: number
  readonly shape: Shape
  /** Of a leaf */
  readonly chunkSize: number
  readonly rounds: number
}

/** Milliseconds for the whole file, medians */
export interface CarVsBlocks {
  readonly car: number
  /** Ours from a gateway that makes no CARs */
  readonly prefetch: number
  /** Helia's gateway session in the configuration that was fastest */
  readonly helia: number
  /** Leaves that it read at once, 0: all */
  readonly heliaConcurrency: number
  /** Requests that a read with CARs took */
  readonly requests: number
}

/** One file from one gateway with some delay, all of them in turns; nodes with empty stores in memory, started and not timed */
export async function carVsBlocks ({ seed, shape, chunkSize, rounds }: CarVsBlocksInit): Promise<CarVsBlocks> {
  const file = shape === 'flat' ? await sampleFile({ seed, chunkSize, size: (BLOCKS - 1) * chunkSize }) : await deepFile(seed, chunkSize)
  const gateways = [{ kind: 'good', firstByte: DELAY }] as const
  const plain = await startFarm({ seed, blocks: file.blocks, gateways })
  const cars = await startFarm({ seed, blocks: file.blocks, gateways, cars: true })
  const concurrencies: readonly number[] = shape === 'flat' ? CONCURRENCIES : [0]
  const times = new Map<string, number[]>()
  let requests = 0

  try {
    // the first round compiles the code and is not counted
    for (let round = -1; round < rounds; round++) {
      const take = async (name: string, read: () => Promise<number>): Promise<void> => {
        const ms = await read()
        if (round >= 0) {
          times.set(name, [...times.get(name) ?? [], ms])
        }
      }
      const [before = 0] = await cars.requests()
      await take('car', async () => ours(cars.urls, file))
      requests = ((await cars.requests())[0] ?? 0) - before
      await take('prefetch', async () => ours(plain.urls, file))
      for (const concurrency of concurrencies) {
        await take(`helia${concurrency}`, async () => helia(plain.urls, file, concurrency))
      }
    }
  } finally {
    await plain.close()
    await cars.close()
  }

  const of = (name: string): number => median(times.get(name) ?? [])
  const [heliaConcurrency = 0] = concurrencies.toSorted((a, b) => of(`helia${a}`) - of(`helia${b}`))
  return { car: of('car'), prefetch: of('prefetch'), helia: of(`helia${heliaConcurrency}`), heliaConcurrency, requests }
}

async function deepFile (seed: number, chunkSize: number): Promise<SampleFile> {
  const count = BLOCKS / 2
  const flat = await sampleFile({ seed, chunkSize, size: count * chunkSize })
  const blocks = new Map<string, Uint8Array>()
  let root: CID | undefined
  let rest = 0n
  let behind = 0

  for (let i = count - 1; i >= 0; i--) {
    const bytes = flat.bytes.subarray(i * chunkSize, (i + 1) * chunkSize)
    const leaf = CID.createV1(RAW, await sha256.digest(bytes))
    const node = new UnixFS({ type: 'file', blockSizes: [BigInt(chunkSize), ...root == null ? [] : [rest]] })
    const encoded = encode(prepare({ Data: node.marshal(), Links: [{ Hash: leaf, Name: '', Tsize: chunkSize }, ...root == null ? [] : [{ Hash: root, Name: '', Tsize: behind }]] }))
    root = CID.createV1(DAG_PB, await sha256.digest(encoded))
    rest += BigInt(chunkSize)
    behind += chunkSize + encoded.byteLength
    blocks.set(blockKey(leaf), bytes)
    blocks.set(blockKey(root), encoded)
  }

  if (root == null || blocks.size !== BLOCKS) {
    throw new Error(`the file has ${blocks.size} blocks, not ${BLOCKS}`)
  }
  return { root, bytes: flat.bytes, blocks, others: [] }
}

async function ours (providers: readonly string[], file: SampleFile): Promise<number> {
  const node = await createPortolan({ providers: [...providers] })
  try {
    return await timed(node.contentRouting.retrieveContent(file.root), file)
  } finally {
    await node.stop()
  }
}

async function helia (providers: readonly string[], file: SampleFile, concurrency: number): Promise<number> {
  const node = await createHeliaLight({
    routers: [loopbackRouter({ providers: providers.map(url => ({ url })) })],
    blockBrokers: [trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })]
  }).start()
  const session = node.blockstore.createSession(file.root)
  try {
    const fs = unixfs({ ...node, blockstore: session } as unknown as Parameters<typeof unixfs>[0])
    return await timed(fs.cat(file.root, concurrency === 0 ? undefined : { blockReadConcurrency: concurrency } as Parameters<typeof fs.cat>[1]), file)
  } finally {
    session.close()
    await node.stop()
  }
}

async function timed (bytes: AsyncIterable<Uint8Array>, file: SampleFile): Promise<number> {
  const begun = performance.now()
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) {
    chunks.push(chunk)
  }
  const ms = performance.now() - begun
  if (Buffer.compare(Buffer.concat(chunks), file.bytes) !== 0) {
    throw new Error('what was read is not the file')
  }
  return ms
}
