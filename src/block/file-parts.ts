import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { plausibleUnixFS } from './links.ts'
import { DEFAULT_MAX_BLOCK_SIZE } from './verify.ts'
import type { CID } from 'multiformats/cid'

/** What one link of a file's node stands for: bytes of content in that node, `to` not included */
export interface FilePart {
  readonly cid: CID
  readonly from: number
  readonly to: number
}

/** What the links of a file's verified node stand for, all of them; undefined where it is no inner node of a file. Never throws. */
export function fileParts (cid: CID, bytes: Uint8Array): FilePart[] | undefined {
  if (cid.code !== dagPb.code || bytes.byteLength > DEFAULT_MAX_BLOCK_SIZE) {
    return undefined
  }

  try {
    const { Data, Links } = dagPb.decode(bytes)

    // inline content is read as bytes; what no number of links explains is not
    if (Links.length === 0 || (Data != null && !plausibleUnixFS(Data, Links.length))) {
      return undefined
    }

    const { type, data, blockSizes } = Data == null ? {} as Partial<UnixFS> : UnixFS.unmarshal(Data)

    if ((type !== 'file' && type !== 'raw') || blockSizes == null || blockSizes.length !== Links.length) {
      return undefined
    }

    let at = data?.byteLength ?? 0
    return Links.map(({ Hash }, i) => {
      const from = at
      at += Number(blockSizes[i])
      return { cid: Hash, from, to: at }
    })
  } catch {
    // whatever a decoder throws means: this is no node of a file
    return undefined
  }
}
