import { parseCID } from '../block/cid.ts'
import type { CID } from 'multiformats/cid'

/** One CID or many, each checked and told about before it is passed on */
export async function * eachCID (cids: CID | Iterable<CID> | AsyncIterable<CID>, onEach: (cid: CID) => void): AsyncGenerator<CID> {
  for await (const value of isIterable(cids) ? cids : [cids]) {
    const cid = parseCID(value)
    onEach(cid)
    yield cid
  }
}

function isIterable (value: unknown): value is Iterable<CID> | AsyncIterable<CID> {
  return value != null && typeof value === 'object' && (Symbol.iterator in value || Symbol.asyncIterator in value)
}
