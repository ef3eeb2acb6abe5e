import { HttpError } from './http-error.ts'
import type { CID } from 'multiformats/cid'

export interface IpfsPath {
  readonly root: CID
  /** Decoded, without empty ones */
  readonly names: readonly string[]
  readonly trailingSlash: boolean
  /** The path as a header may carry it: every name percent-encoded */
  readonly encoded: string
}

/** More names than any directory is deep: each may cost a block */
const MAX_DEPTH = 128

/** Reads `/ipfs/CID/a/b` as it stands in a request: percent-encoded */
export function parseIpfsPath (path: string, parseCID: (text: string) => CID): IpfsPath {
  const [, namespace, first = '', ...rest] = path.split('/')

  if (namespace !== 'ipfs') {
    throw new HttpError(404, 'There is nothing here: content is below /ipfs/CID.')
  }
  if (first === '') {
    throw new HttpError(400, 'The CID is missing: content is at /ipfs/CID or /ipfs/CID/path.')
  }
  const names = rest.filter(name => name !== '').map(decode)

  if (names.length > MAX_DEPTH) {
    throw new HttpError(400, `The path has ${names.length} names, the limit is ${MAX_DEPTH}.`)
  }
  const text = decode(first)
  return {
    root: parseCID(text),
    names,
    trailingSlash: rest.at(-1) === '',
    encoded: ['/ipfs', ...[text, ...names].map(name => encodeURIComponent(name))].join('/')
  }
}

function decode (name: string): string {
  try {
    return decodeURIComponent(name)
  } catch (err) {
    throw new HttpError(400, `The path is not percent-encoded UTF-8 at ${JSON.stringify(name.slice(0, 80))}.`, { cause: err })
  }
}
