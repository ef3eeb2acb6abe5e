import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { errorCode, readWhole } from './files.ts'
import { MAX_SEGMENT_BYTES, sidecarName } from './segment.ts'
import { decodeSidecar, maxSidecarBytes, sidecarHead } from './sidecar.ts'
import type { BlockList, ListedBlock } from './block-list.ts'
import type { SegmentDirectory } from './segment-names.ts'
import type { Sidecar } from './sidecar.ts'
import type { StoredBlocks } from './stored-blocks.ts'

export interface Orphan {
  /** What the segment held and said, if that is known */
  readonly sidecar?: Sidecar
  /** Nothing more can be learned from it */
  readonly isDone: boolean
}

/** The sidecar of a segment whose file is gone. A segment that is given back loses its sidecar first: this is none of those */
export async function readOrphan ({ files, directory, nonce }: SegmentDirectory, id: number, repairs: string[]): Promise<Orphan> {
  try {
    const content = await readWhole(files, join(directory, sidecarName(id)), maxSidecarBytes(MAX_SEGMENT_BYTES)) ?? new Uint8Array()
    const sidecar = decodeSidecar(content, nonce, id)

    // one that is about another segment was left behind when that one got its name again
    if (sidecar == null && (sidecarHead(Buffer.from(content), nonce)?.segment ?? id) === id) {
      repairs.push(`segment ${id}: its file is gone, and its sidecar is damaged: what was in it is not known`)
    }
    return { sidecar, isDone: true }
  } catch (err) {
    if (errorCode(err) !== 'EIO') {
      throw err
    }
    repairs.push(`segment ${id}: its file is gone, and its sidecar cannot be read (${(err as Error).message}): it is tried again at the next start`)
    return { isDone: false }
  }
}

/** Named at once: a line of some kilobytes */
const MAX_NAMED = 64

/** Says by name which blocks are gone, of those that a segment should have */
export function missing ({ index }: StoredBlocks, id: number, listed: BlockList, removed: ReadonlySet<number>): string[] {
  const names: string[] = []
  let count = 0

  for (let i = 0; i < listed.count; i++) {
    const block = listed.at(i)
    if (!removed.has(block.offset) && index.findKey(block.key, block.multihashBytes) === -1 && count++ < MAX_NAMED) {
      names.push(nameOf(block))
    }
  }
  return count === 0 ? [] : [`segment ${id}: ${count} of the blocks that its sidecar lists are gone: ${names.join(', ')}${count > names.length ? ` and ${count - names.length} more` : ''}`]
}

/** Of a long multihash only a hash is known */
function nameOf ({ key, multihashBytes }: ListedBlock): string {
  return multihashBytes <= key.byteLength
    ? CID.createV1(raw.code, Digest.decode(key.slice(0, multihashBytes))).toString()
    : `a multihash whose SHA-256 is ${Buffer.from(key.subarray(0, 32)).toString('hex')}`
}
