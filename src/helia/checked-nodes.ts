import { Node } from 'ipfs-unixfs'
import { FileSizeEncodingError } from '../interface/errors.ts'
import type { UnixFSComponents } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'

type Blockstore = UnixFSComponents['blockstore']

const DAG_PB_CODE = 0x70

/** It leaves bytes out, and what was in memory before is written there */
const BLAME = 'The encoder below ipfs-unixfs, protons-runtime, writes sizes from 2 to 4 GiB wrongly: the file would be lost. Add it in smaller files, or with another program.'

/**
 * A store that refuses file nodes whose sizes contradict each other. `ipfs-unixfs`
 * writes sizes from 2 to 4 GiB wrongly, and whoever added such a file would find out
 * when it is lost. In every DAG there is a lowest node of that size: what it says of
 * its children is right, what it says of the whole is not.
 */
export function checkingNodes (blockstore: Blockstore): Blockstore {
  return {
    has: (cid, options) => blockstore.has(cid, options),
    get: (cid, options) => blockstore.get(cid, options),
    put: (cid, bytes, options) => {
      if (cid.code === DAG_PB_CODE && bytes instanceof Uint8Array) {
        check(cid, bytes)
      }

      return blockstore.put(cid, bytes, options)
    }
  }
}

/** Directories have no size; whatever else the encoder makes of them, files have one */
function check (cid: CID, bytes: Uint8Array): void {
  const { links, data: { fileSize, blockSizes = [], data } = {} } = decode(cid, bytes)

  if (fileSize == null || links.length === 0) {
    return
  }

  const sum = blockSizes.reduce((sum, size) => sum + size, BigInt(data?.byteLength ?? 0))

  if (sum !== fileSize || blockSizes.length !== links.length) {
    throw new FileSizeEncodingError(`The node ${cid} would say that its file has ${fileSize} bytes, and its ${links.length} parts ${sum}: it was not stored. ${BLAME}`)
  }
}

function decode (cid: CID, bytes: Uint8Array): Node {
  try {
    return Node.decode(bytes)
  } catch (err) {
    throw new FileSizeEncodingError(`The node ${cid} could not be read again: it was not stored. ${BLAME}`, { cause: err })
  }
}
