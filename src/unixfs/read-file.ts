import { withOwnSignal } from '../clock/own-signal.ts'
import { UnixFSError } from '../interface/errors.ts'
import { orderedWalk } from './ordered-walk.ts'
import { contentSize, DAG_PB_CODE, decodeNode, linkCID, linkSize, RAW_CODE } from './unixfs-node.ts'
import { wholeNumber } from './whole-number.ts'
import type { Branch, Step } from './ordered-walk.ts'
import type { BlockLoader, ReadOptions } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/**
 * 16 chunks of 256 KiB or 4 of 1 MiB, the two sizes in use: enough for 40 MB/s
 * at 100 ms to a block, and what an abandoned reader wastes at most.
 */
export const DEFAULT_WINDOW = 4_194_304

/** For files of tiny chunks. 32 blocks that lie about their size, 2 MiB each, hold 64 MiB. */
export const DEFAULT_WINDOW_BLOCKS = 32

/**
 * A balanced DAG of two links per node over single bytes is 53 deep when its
 * length no longer fits a number; 174 links over 256 KiB reach 240 TB in 4.
 */
export const MAX_FILE_DEPTH = 128

/**
 * Nodes without content of their own that a read may visit: this many, and two
 * for each that has some. In a DAG with two links per node there are fewer nodes
 * than leaves; the slack is for unary chains along the edges, four of full depth.
 */
const MAX_BARREN_NODES = 512
const BARREN_NODES_PER_CONTENT = 2

/** The largest block that everyone transfers */
const MAX_BLOCK_BYTES = 2_097_152

/** What a dag-pb node adds to its content if it has no links: less than the smallest link takes */
const MAX_LEAF_FRAMING = 40

/** What a node of unknown size is taken for: a thousand links */
const GUESSED_NODE_BYTES = 49_152

export interface ReadFileOptions extends ReadOptions {
  /** Bytes to load ahead of the reader. @default 4_194_304 */
  window?: number
  /** Blocks to load ahead of the reader. @default 32 */
  windowBlocks?: number
  /** The size of the whole DAG, if a parent told: a hint for choosing a provider */
  dagSize?: number
}

interface FileBranch extends Branch {
  /** The bytes of content that the parent claims; the root has no parent */
  readonly claimed?: number
  /** The wanted range, within this node's content */
  readonly start: number
  readonly end: number
  readonly depth: number
}

type FileStep = Step<FileBranch, Uint8Array>

/**
 * Reads the bytes of a UnixFS file in order, loading only the blocks that the
 * range touches, a window ahead of the reader. What it yields has the length
 * that the DAG claims, or it throws: a DAG that contradicts itself is `malformed`,
 * one beyond the limits `too-large`. Loads in flight are aborted when the reader leaves.
 *
 * @example
 * ```ts
 * for await (const bytes of readFile(cid, load, { offset: 1_000, length: 10 })) {
 *   console.info(bytes)
 * }
 * ```
 */
export function readFile (cid: CID, load: BlockLoader, options: ReadFileOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  return withOwnSignal(signal => read(cid, load, { ...options, signal }), options.signal)
}

async function * read (cid: CID, load: BlockLoader, options: ReadFileOptions & { signal: AbortSignal }): AsyncGenerator<Uint8Array, void, undefined> {
  const offset = wholeNumber('offset', options.offset ?? 0)
  const length = wholeNumber('length', options.length ?? Number.MAX_SAFE_INTEGER)
  const windowBytes = wholeNumber('window', options.window ?? DEFAULT_WINDOW, 1)
  const windowBlocks = wholeNumber('windowBlocks', options.windowBlocks ?? DEFAULT_WINDOW_BLOCKS, 1)

  if (cid.code !== RAW_CODE && cid.code !== DAG_PB_CODE) {
    throw new UnixFSError('unsupported', `${cid} has codec 0x${cid.code.toString(16)}: files are raw or dag-pb`)
  }

  if (length === 0) {
    return
  }

  const budget = new NodeBudget()
  // A DAG that fits a block is most often one
  const size = options.dagSize != null && options.dagSize <= MAX_BLOCK_BYTES ? options.dagSize : undefined

  yield * orderedWalk<FileBranch, Uint8Array>({
    root: { cid, size, cost: GUESSED_NODE_BYTES, reach: GUESSED_NODE_BYTES, start: offset, end: Math.min(offset + length, Number.MAX_SAFE_INTEGER), depth: 0 },
    load,
    open: (branch, block) => branch.cid.code === RAW_CODE ? openLeaf(branch, block, budget) : openNode(branch, block, budget),
    windowBytes,
    windowBlocks,
    signal: options.signal
  })
}

function * openLeaf (branch: FileBranch, block: Uint8Array, budget: NodeBudget): Generator<FileStep> {
  checkClaim(branch, block.byteLength)
  budget.visit(branch.cid, true)
  yield * slice(branch, block, block)
}

function * openNode (branch: FileBranch, block: Uint8Array, budget: NodeBudget): Generator<FileStep> {
  const { cid, start, end, depth } = branch
  const node = decodeNode(cid, block)

  if (node.type !== 'FILE' && node.type !== 'RAW') {
    throw new UnixFSError(depth === 0 ? 'not-a-file' : 'malformed', `${cid} is ${describe(node.type)}, not a file`)
  }

  if (node.links.length !== node.blockSizes.length) {
    throw new UnixFSError('malformed', `${cid} has ${node.links.length} links but ${node.blockSizes.length} block sizes`)
  }

  checkClaim(branch, contentSize(cid, node))
  budget.visit(cid, node.data.byteLength > 0)
  yield * slice(branch, node.data, block)

  let from = node.data.byteLength

  for (const [index, link] of node.links.entries()) {
    const size = Number(node.blockSizes[index])
    const to = from + size

    if (from >= end) {
      return
    }

    if (to > start && size > 0) {
      yield { branch: child(branch, linkCID(cid, link), size, linkSize(link), Math.max(start - from, 0), Math.min(end - from, size)) }
    }

    from = to
  }
}

function child (parent: FileBranch, cid: CID, claimed: number, dagSize: number | undefined, start: number, end: number): FileBranch {
  const depth = parent.depth + 1

  if (depth > MAX_FILE_DEPTH) {
    throw new UnixFSError('too-large', `${cid} is more than ${MAX_FILE_DEPTH} levels deep`)
  }

  if (cid.code !== RAW_CODE && cid.code !== DAG_PB_CODE) {
    throw new UnixFSError('malformed', `${parent.cid} has content of codec 0x${cid.code.toString(16)} at ${cid}: files are raw or dag-pb`)
  }

  const size = expectedBlockSize(cid, claimed, dagSize)
  const cost = size ?? GUESSED_NODE_BYTES

  return { cid, size, cost, reach: Math.max(cost, end - start), claimed, start, end, depth }
}

/**
 * A leaf's DAG is its block. An inner node's block is about what its DAG has
 * beyond content: exactly that where its children are raw leaves.
 */
function expectedBlockSize (cid: CID, claimed: number, dagSize?: number): number | undefined {
  if (cid.code === RAW_CODE) {
    return claimed
  }

  if (dagSize == null || dagSize < claimed) {
    return claimed <= MAX_BLOCK_BYTES ? claimed : undefined
  }

  const beyond = dagSize - claimed

  return beyond < MAX_LEAF_FRAMING ? dagSize : Math.min(beyond, MAX_BLOCK_BYTES)
}

function checkClaim ({ cid, claimed }: FileBranch, size: number): void {
  if (claimed != null && claimed !== size) {
    throw new UnixFSError('malformed', `${cid} has ${size} bytes of content, its parent claims ${claimed}`)
  }
}

function * slice ({ start, end }: FileBranch, content: Uint8Array, block: Uint8Array): Generator<FileStep> {
  const value = content.subarray(start, Math.min(end, content.byteLength))

  if (value.byteLength > 0) {
    // The view keeps the whole block in memory
    yield { value, bytes: block.byteLength, blocks: 1 }
  }
}

function describe (type: string): string {
  return { DIRECTORY: 'a directory', HAMT_SHARD: 'a directory', SYMLINK: 'a symlink' }[type] ?? `of type ${type}`
}

/** Stops reads that visit node after node and find little or nothing in them */
class NodeBudget {
  #barren = 0
  #fruitful = 0

  visit (cid: CID, hasContent: boolean): void {
    if (hasContent) {
      this.#fruitful++
    } else if (++this.#barren > MAX_BARREN_NODES + BARREN_NODES_PER_CONTENT * this.#fruitful) {
      throw new UnixFSError('too-large', `${this.#barren} nodes were read for ${this.#fruitful} with content, the last was ${cid}`)
    }
  }
}
