import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { seededBytes } from '../../interop/sample-data.ts'

export interface FaultBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

const SHA2_256 = 0x12
/** Mostly small ones, as directories and short files are, and some as large as the leaves of files */
const SIZES = [120, 700, 1_500, 4_000, 300, 9_000, 2_200, 60_000, 900, 262_144]

/** The same block for the same number, in whatever process */
export function faultBlock (number: number): FaultBlock {
  const size = (SIZES[number % SIZES.length] ?? 0) + number % 61
  const bytes = Uint8Array.from([...seededBytes(size, number)][0] ?? [])
  return { cid: CID.createV1(0x55, Digest.create(SHA2_256, createHash('sha256').update(bytes).digest())), bytes }
}

/** Whether bytes are those of the block */
export function isRight ({ bytes }: FaultBlock, read: Uint8Array): boolean {
  return Buffer.compare(bytes, read) === 0
}
