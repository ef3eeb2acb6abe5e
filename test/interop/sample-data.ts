/**
 * What nodes fetch from each other in the interop suite and in the exchange
 * bench: the same bytes for the same seed, whoever is given them.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { varint } from 'multiformats'

export interface DataBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

const DAG_CBOR = 0x71
const PIECE = 1024 * 1024

/** Noise in pieces of 1 MiB: the key stream of AES-256-CTR, at the speed of the processor's own instructions */
export function * seededBytes (size: number, seed = 1): Generator<Uint8Array> {
  const key = createHash('sha256').update(`portolan sample data ${seed}`).digest()
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = new Uint8Array(Math.min(size, PIECE))

  for (let left = size; left > 0; left -= PIECE) {
    yield stream.update(zeros.subarray(0, Math.min(left, PIECE)))
  }
}

/** SHA-256 in hex: how a reader of 64 MiB tells that they were the right ones */
export function digestOf (pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const piece of pieces) {
    hash.update(piece)
  }
  return hash.digest('hex')
}

/** Files of a directory that is sharded by every implementation: 5 000 links of over 80 bytes, where 256 KiB is the limit */
export function * directoryEntries (count = 5000, seed = 1): Generator<{ path: string, content: Uint8Array }> {
  for (let i = 0; i < count; i++) {
    const name = createHash('sha256').update(`${seed} ${i}`).digest('hex').slice(0, 32)
    yield { path: `entry-${String(i).padStart(5, '0')}-${name}.txt`, content: Buffer.from(`entry ${i} of seed ${seed}\n`) }
  }
}

export interface CborGraph {
  readonly root: CID
  /** Children before their parents */
  readonly blocks: readonly DataBlock[]
}

/**
 * A graph, not a tree: each node of a level links to `fanOut` of the level
 * below, and neighbours share half of theirs.
 */
export async function cborGraph ({ levels = [96, 48, 16, 1], fanOut = 8, seed = 1 }: { levels?: readonly number[], fanOut?: number, seed?: number } = {}): Promise<CborGraph> {
  const blocks: DataBlock[] = []
  let below: CID[] = []

  for (const [level, width] of levels.entries()) {
    const row: CID[] = []
    for (let i = 0; i < width; i++) {
      const first = i * fanOut / 2
      // the top links to all, so that nothing is out of its reach
      const links = width === 1 ? below : below.length === 0 ? [] : Array.from({ length: fanOut }, (_, k) => below[(first + k) % below.length])
      const bytes = encode({ level, index: i, seed, note: `node ${i} of level ${level}`, links })
      const cid = CID.createV1(DAG_CBOR, await sha256.digest(bytes))
      blocks.push({ cid, bytes })
      row.push(cid)
    }
    below = row
  }

  const root = below[0]
  if (root == null || below.length !== 1) {
    throw new RangeError('the last level of a graph has one node')
  }
  return { root, blocks }
}

/** A CARv1 */
export function * carOf (root: CID, blocks: Iterable<DataBlock>): Generator<Uint8Array> {
  yield section(encode({ version: 1, roots: [root] }))
  for (const { cid, bytes } of blocks) {
    yield section(cid.bytes, bytes)
  }
}

function section (...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
  const prefix = varint.encodeTo(length, new Uint8Array(varint.encodingLength(length)))
  return Buffer.concat([prefix, ...parts])
}

/** The blocks of a CARv1 that fits into memory, unverified: for what a test compares itself */
export function readCar (car: Uint8Array): DataBlock[] {
  const blocks: DataBlock[] = []
  for (let at = 0, header = true; at < car.byteLength; header = false) {
    const [length, used] = varint.decode(car, at)
    const end = at + used + length
    if (!header) {
      const [cid, bytes] = CID.decodeFirst(car.subarray(at + used, end))
      blocks.push({ cid, bytes })
    }
    at = end
  }
  return blocks
}
