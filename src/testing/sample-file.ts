import { unixfs } from '@helia/unixfs'
import { MemoryBlockstore } from 'blockstore-core'
import { blockKey } from '../block/key.ts'
import { seededRandom } from '../clock/random.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

export interface SampleFileInit {
  /** Bytes. @default 1_048_576 */
  size?: number
  /** Bytes per leaf. @default 262_144 */
  chunkSize?: number
  /** How many different leaves; after these the content repeats. @default all differ */
  distinct?: number
  /** @default 1 */
  seed?: number
}

/** A UnixFS file of seeded noise, with its blocks */
export interface SampleFile {
  readonly root: CID
  readonly bytes: Uint8Array
  /** Every unique block by its `blockKey`: what a loopback provider serves from */
  readonly blocks: ReadonlyMap<BlockKey, Uint8Array>
  /** The CIDs of the unique blocks other than the root */
  readonly others: readonly CID[]
}

// what Kubo and most of the network chunk by
const DEFAULT_CHUNK = 262_144

export async function sampleFile (init: SampleFileInit = {}): Promise<SampleFile> {
  const chunkSize = init.chunkSize ?? DEFAULT_CHUNK
  const size = init.size ?? 4 * DEFAULT_CHUNK
  for (const [option, value] of Object.entries({ size, chunkSize, distinct: init.distinct ?? 1 })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new InvalidOptionError(`${option} of a sample file must be a whole number from 1, got ${value}`)
    }
  }
  const period = Math.min(size, (init.distinct ?? Infinity) * chunkSize)
  const bytes = noise(size, period, init.seed ?? 1)
  const store = new MemoryBlockstore()

  const root = await unixfs({ blockstore: store } as Parameters<typeof unixfs>[0]).addBytes(bytes, {
    rawLeaves: true,
    // the importer's own fixed-size chunker copies; slices of one buffer do
    async * chunker () {
      for (let at = 0; at < size; at += chunkSize) {
        yield bytes.subarray(at, Math.min(size, at + chunkSize))
      }
    }
  })

  const blocks = new Map<BlockKey, Uint8Array>()
  const others: CID[] = []
  for await (const { cid, bytes: parts } of store.getAll()) {
    for await (const part of parts) {
      blocks.set(blockKey(cid), part)
    }
    if (blockKey(cid) !== blockKey(root)) {
      others.push(cid)
    }
  }
  return { root, bytes, blocks, others }
}

function noise (size: number, period: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  const bytes = new Uint8Array(size)
  const words = new Uint32Array(Math.ceil(period / 4))
  for (let i = 0; i < words.length; i++) {
    words[i] = random.next() * 2 ** 32
  }
  const pattern = new Uint8Array(words.buffer, 0, period)
  for (let at = 0; at < size; at += period) {
    bytes.set(pattern.subarray(0, Math.min(period, size - at)), at)
  }
  return bytes
}
