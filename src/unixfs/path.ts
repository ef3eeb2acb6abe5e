import { decode as decodeDagCbor, code as DAG_CBOR_CODE } from '@ipld/dag-cbor'
import { decode as decodeDagJson, code as DAG_JSON_CODE } from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import { parseCID } from '../block/cid.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { InvalidCIDError, UnixFSError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { stat } from './entry.ts'
import { findInShard } from './hamt.ts'
import { DAG_PB_CODE, decodeNode, linkCID, linkSize, RAW_CODE } from './unixfs-node.ts'
import type { BlockLoader, UnixFSEntry } from '../interface/unixfs.ts'

export interface ParsedPath {
  root: CID
  segments: string[]
}

/** A CID at the end of a path; its block has not been loaded */
export interface ResolvedPath {
  cid: CID
  /** The size of the DAG behind it, as its parent claims */
  size?: number
}

/**
 * Takes `CID`, `CID/a/b`, `/ipfs/CID/a/b` and `ipfs://CID/a/b`. Names are taken
 * as they are: whoever got the path from a URL has decoded it already.
 */
export function parsePath (target: CID | string): ParsedPath {
  if (typeof target !== 'string') {
    return { root: parseCID(target), segments: [] }
  }

  if (/^(\/ipns\/|ipns:\/\/)/.test(target)) {
    throw new UnixFSError('unsupported', `${quote(target)} is an IPNS name: resolve it to a CID first`)
  }

  if (/^[a-z][a-z\d+.-]*:\/\//i.test(target) && !target.startsWith('ipfs://')) {
    // that host is not asked, and whoever sees its name there would think so
    const [gateway] = /^https?:\/\/[^/?#]+\/ipfs\//i.exec(target) ?? []
    throw new InvalidCIDError(`${quote(target)} is a URL, not a CID or a path: ${gateway == null ? 'give the CID in it, and the path behind that: CID/PATH' : `leave out ${quote(gateway)}`}`)
  }

  const [root = '', ...names] = target.replace(/^(\/ipfs\/|ipfs:\/\/)/, '').split('/')
  const segments = names.filter(name => name !== '')

  if (segments.includes('.') || segments.includes('..')) {
    throw new UnixFSError('unsupported', `${quote(target)} has a relative segment: "." and ".." are not names in a DAG`)
  }

  return { root: parseCID(root), segments }
}

/** Follows a CID or path to the CID at its end, without loading that */
export async function locate (target: CID | string, load: BlockLoader, options: { signal?: AbortSignal } = {}): Promise<ResolvedPath> {
  const { root, segments } = parsePath(target)

  return walkPath(root, segments, load, options)
}

/** Follows a path and tells what is at its end */
export async function resolvePath (root: CID, segments: readonly string[], load: BlockLoader, options: { signal?: AbortSignal } = {}): Promise<UnixFSEntry> {
  const { cid } = await walkPath(root, segments, load, options)

  return stat(cid, load, options)
}

/** Follows a path through directories, sharded ones included, and dag-cbor and dag-json maps and lists */
export async function walkPath (root: CID, segments: readonly string[], load: BlockLoader, options: { signal?: AbortSignal } = {}): Promise<ResolvedPath> {
  const { signal } = options
  const loadBlock: BlockLoader = async cid => raceSignal(load(cid, { signal }), signal)
  let at: ResolvedPath = { cid: root }
  let rest = segments

  while (rest.length > 0) {
    signal?.throwIfAborted()

    if (at.cid.code === RAW_CODE) {
      throw notADirectory(at.cid, rest, 'a raw block')
    }

    const step = findStep(at.cid)
    const next = await step(at.cid, await loadBlock(at.cid), rest, loadBlock)

    at = next.to
    rest = next.rest
  }

  return at
}

interface Step {
  to: ResolvedPath
  rest: readonly string[]
}

type StepFinder = (cid: CID, block: Uint8Array, path: readonly string[], load: BlockLoader) => Step | Promise<Step>

function findStep (cid: CID): StepFinder {
  switch (cid.code) {
    case DAG_PB_CODE:
      return stepIntoDirectory
    case DAG_CBOR_CODE:
      return (cid, block, path) => stepIntoObject(cid, decodeObject(cid, () => decodeDagCbor(block)), path)
    case DAG_JSON_CODE:
      return (cid, block, path) => stepIntoObject(cid, decodeObject(cid, () => decodeDagJson(block)), path)
    default:
      throw new UnixFSError('unsupported', `${cid} has codec 0x${cid.code.toString(16)}, which has no paths`)
  }
}

async function stepIntoDirectory (cid: CID, block: Uint8Array, path: readonly string[], load: BlockLoader): Promise<Step> {
  const [name = '', ...rest] = path
  const node = decodeNode(cid, block)

  if (node.type !== 'DIRECTORY' && node.type !== 'HAMT_SHARD') {
    throw notADirectory(cid, path, node.type === 'SYMLINK' ? 'a symlink, which is not followed' : 'a file')
  }

  const link = node.type === 'DIRECTORY'
    ? node.links.find(link => link.name === name)
    : await findInShard(cid, node, name, load)

  if (link == null) {
    throw notFound(cid, name)
  }

  return { to: { cid: linkCID(cid, link), size: linkSize(link) }, rest }
}

function stepIntoObject (cid: CID, object: unknown, path: readonly string[]): Step {
  let value = object

  for (const [index, name] of path.entries()) {
    if (!hasEntry(value, name)) {
      throw notFound(cid, name)
    }

    value = value[name]

    const link = CID.asCID(value)

    if (link != null) {
      return { to: { cid: link }, rest: path.slice(index + 1) }
    }
  }

  throw new UnixFSError('unsupported', `${quote(path.join('/'))} ends inside the block ${cid}: only links can be read by path`)
}

/** Only what the block itself has: neither a prototype's properties, nor a list's length, nor the insides of a CID */
function hasEntry (value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null &&
    !(value instanceof Uint8Array) && CID.asCID(value) == null &&
    !(Array.isArray(value) && name === 'length') && Object.hasOwn(value, name)
}

function decodeObject (cid: CID, decode: () => unknown): unknown {
  try {
    return decode()
  } catch (err) {
    // Nesting of 10 000 levels ends in a RangeError: caught here like any other
    throw new UnixFSError('malformed', `${cid} cannot be decoded`, { cause: err })
  }
}

function notFound (cid: CID, name: string): UnixFSError {
  return new UnixFSError('not-found', `No entry ${quote(name)} in ${cid}`)
}

function notADirectory (cid: CID, path: readonly string[], what: string): UnixFSError {
  return new UnixFSError('not-a-directory', `${cid} is ${what}: there is no ${quote(path.join('/'))} in it`)
}
