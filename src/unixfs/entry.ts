import { raceSignal } from '../clock/race-signal.ts'
import { UnixFSError } from '../interface/errors.ts'
import { contentSize, DAG_PB_CODE, decodeNode, RAW_CODE } from './unixfs-node.ts'
import type { BlockLoader, UnixFSEntry } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** Loads the block behind a CID, and no other, and tells what it is */
export async function stat (cid: CID, load: BlockLoader, options: { signal?: AbortSignal } = {}): Promise<UnixFSEntry> {
  const { signal } = options

  signal?.throwIfAborted()

  const block = await raceSignal(load(cid, { signal }), signal)

  if (cid.code === RAW_CODE) {
    return { cid, type: 'raw', size: block.byteLength }
  }

  if (cid.code !== DAG_PB_CODE) {
    return { cid, type: 'other', size: block.byteLength }
  }

  const node = decodeNode(cid, block)
  const { type, mode, mtime } = node

  switch (type) {
    case 'FILE':
    case 'RAW':
      return { cid, type: 'file', size: contentSize(cid, node), mode, mtime }
    case 'DIRECTORY':
    case 'HAMT_SHARD':
      return { cid, type: 'directory', mode, mtime }
    case 'SYMLINK':
      return { cid, type: 'symlink', size: node.data.byteLength, target: new TextDecoder().decode(node.data), mode, mtime }
    case 'METADATA':
      throw new UnixFSError('unsupported', `${cid} is of the abandoned type metadata`)
  }
}
