import { faultBlock } from './fault-blocks.ts'
import type { BlockCache } from '../../../src/interface/cache.ts'

/** The bytes of a block of these tests; undefined when it is not there */
export async function readBlock (cache: BlockCache, number: number): Promise<Uint8Array | undefined> {
  try {
    const chunks: Uint8Array[] = []
    for await (const chunk of cache.get(faultBlock(number).cid)) {
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (err) {
    if ((err as Error).name === 'NotFoundError') {
      return undefined
    }
    throw err
  }
}
