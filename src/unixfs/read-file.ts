import { readBudget } from '../block/read-budget.ts'
import { AdaptiveWindow, DEFAULT_MAX_WINDOW } from '../block/read-window.ts'
import { wholeNumber } from '../block/whole-number.ts'
import { withOwnSignal } from '../clock/own-signal.ts'
import { systemClock } from '../clock/system-clock.ts'
import { UnixFSError } from '../interface/errors.ts'
import { FileLinks, MAX_LEAF_FRAMING } from './file-links.ts'
import { orderedWalk } from './ordered-walk.ts'
import { contentSize, DAG_PB_CODE, decodeNode, linkSize, RAW_CODE } from './unixfs-node.ts'
import type { FileLink } from './file-links.ts'
import type { Branch, Opened, Value } from './ordered-walk.ts'
import type { ReadBudget } from '../block/read-budget.ts'
import type { UnixFSNode } from './unixfs-node.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockLoader, ReadOptions } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/**
 * As many as one provider is ever asked for at once: for files of tiny chunks, since a
 * window of 16 MiB is 64 chunks of 256 KiB. Blocks that lie about their size, 2 MiB each, hold 256 MiB.
 */
export const DEFAULT_WINDOW_BLOCKS = 128

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

/** What a node of unknown size is taken for: a thousand links */
const GUESSED_NODE_BYTES = 49_152

/**
 * Links of the open nodes on the way to the reader: 160 000 of them. The widest
 * honest node has about 55 000 (2 MiB of links of 38 bytes), and three such levels
 * over chunks of 64 bytes are more than a file can have, 2^53 bytes.
 */
export const MAX_LINK_BYTES = 8_388_608

/** Links of nodes ahead of the reader: the next nodes of any width in use, or one of the widest */
const MAX_LINK_BYTES_AHEAD = 3_145_728

export interface ReadFileOptions extends ReadOptions {
  /** Blocks to load ahead of the reader. @default 128 */
  windowBlocks?: number
  /** Shared with other readers. @default one of its own */
  budget?: ReadBudget
  /** Measures how fast blocks come. @default the machine's */
  clock?: Clock
  /** The size of the whole DAG, if a parent told: a hint for choosing a provider */
  dagSize?: number
}

const NO_BYTES = new Uint8Array(0)

interface FileBranch extends Branch {
  /** The bytes of content that the parent claims; the root has no parent */
  readonly claimed?: number
  /** The wanted range, within this node's content */
  readonly start: number
  readonly end: number
  readonly depth: number
  /** The file, where this node begins in it, and the last byte of it that is wanted */
  readonly file: CID
  readonly at: number
  readonly last: number
}

type OpenedFile = Opened<FileBranch, Uint8Array>

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
  return withOwnSignal(signal => readUntil(signal, cid, load, options), options.signal)
}

/** The same, for somebody whose signal aborts when the reader leaves */
export async function * readUntil (signal: AbortSignal, cid: CID, load: BlockLoader, options: ReadFileOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const offset = wholeNumber('offset', options.offset ?? 0)
  const length = wholeNumber('length', options.length ?? Number.MAX_SAFE_INTEGER)
  const max = wholeNumber('window', options.window ?? DEFAULT_MAX_WINDOW, 1)
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
    root: { cid, size, cost: GUESSED_NODE_BYTES, reach: GUESSED_NODE_BYTES, start: offset, end: Math.min(offset + length, Number.MAX_SAFE_INTEGER), depth: 0, file: cid, at: 0, last: 0 },
    load,
    open: (branch, block) => branch.cid.code === RAW_CODE ? openLeaf(branch, block, budget) : openNode(branch, block, budget),
    window: new AdaptiveWindow({ clock: options.clock ?? systemClock, max }),
    windowBlocks,
    account: (options.budget ?? readBudget()).open(),
    maxHeld: MAX_LINK_BYTES,
    maxHeldAhead: MAX_LINK_BYTES_AHEAD,
    signal
  })
}

function openLeaf (branch: FileBranch, block: Uint8Array, budget: NodeBudget): OpenedFile {
  checkClaim(branch, block.byteLength)
  budget.visit(branch.cid, true)

  return { own: slice(branch, block, block) }
}

function openNode (branch: FileBranch, block: Uint8Array, budget: NodeBudget): OpenedFile {
  const { cid, depth } = branch
  const node = decodeNode(cid, block)

  if (node.type !== 'FILE' && node.type !== 'RAW') {
    throw new UnixFSError(depth === 0 ? 'not-a-file' : 'malformed', `${cid} is ${describe(node.type)}, not a file`)
  }

  if (node.links.length !== node.blockSizes.length) {
    throw new UnixFSError('malformed', `${cid} has ${node.links.length} links but ${node.blockSizes.length} block sizes`)
  }

  const size = contentSize(cid, node)
  checkClaim(branch, size)
  budget.visit(cid, node.data.byteLength > 0)

  const own = slice(branch, node.data, block)
  const links = linksInRange(branch, node)

  return links.bytes === 0 ? { own } : { own, steps: children(depth === 0 ? { ...branch, last: Math.min(branch.end, size) - 1 } : branch, links), held: links.bytes, ahead: links.bytes }
}

function linksInRange ({ cid, start, end }: FileBranch, node: UnixFSNode): FileLinks {
  const links = []
  let from = node.data.byteLength

  for (const [index, link] of node.links.entries()) {
    const size = Number(node.blockSizes[index])

    if (from >= end) {
      break
    }

    if (from + size > start && size > 0) {
      const dagSize = linkSize(link) ?? -1
      links.push({ hash: link.hash ?? NO_BYTES, from, ...(dagSize < size ? {} : { beyond: dagSize - size }) })
    }

    from += size
  }

  return new FileLinks(cid, links, from)
}

function * children (parent: FileBranch, links: FileLinks): Generator<{ branch: FileBranch }> {
  for (const link of links) {
    yield { branch: child(parent, link) }
  }
}

function child (parent: FileBranch, { cid, from, claimed, beyond, leavesTo }: FileLink): FileBranch {
  const depth = parent.depth + 1

  if (depth > MAX_FILE_DEPTH) {
    throw new UnixFSError('too-large', `${cid} is more than ${MAX_FILE_DEPTH} levels deep`)
  }

  if (cid.code !== RAW_CODE && cid.code !== DAG_PB_CODE) {
    throw new UnixFSError('malformed', `${parent.cid} has content of codec 0x${cid.code.toString(16)} at ${cid}: files are raw or dag-pb`)
  }

  const start = Math.max(parent.start - from, 0)
  const end = Math.min(parent.end - from, claimed)
  const size = expectedBlockSize(cid, claimed, beyond)
  // What may be a node is not kept waiting for room for all that it claims, or a chain of nodes takes two delays each.
  // In flight it counts with all of that: a leaf exceeds the window once, and nothing follows it.
  const cost = cid.code === DAG_PB_CODE && beyond == null ? Math.min(claimed, GUESSED_NODE_BYTES) : size ?? GUESSED_NODE_BYTES

  const { file, last } = parent
  const at = parent.at + from

  return { cid, size, cost, reach: Math.max(size ?? cost, end - start), claimed, start, end, depth, file, at, last, part: { cid: file, from: at + start, to: last, ...(leavesTo > from ? { known: parent.at + leavesTo } : {}) } }
}

/**
 * A leaf's DAG is its block. An inner node's block is about what its DAG has
 * beyond content: exactly that where its children are raw leaves.
 */
function expectedBlockSize (cid: CID, claimed: number, beyond?: number): number | undefined {
  if (cid.code === RAW_CODE) {
    return claimed
  }

  if (beyond == null) {
    return claimed <= MAX_BLOCK_BYTES ? claimed : undefined
  }

  return beyond < MAX_LEAF_FRAMING ? claimed + beyond : Math.min(beyond, MAX_BLOCK_BYTES)
}

function checkClaim ({ cid, claimed }: FileBranch, size: number): void {
  if (claimed != null && claimed !== size) {
    throw new UnixFSError('malformed', `${cid} has ${size} bytes of content, its parent claims ${claimed}`)
  }
}

function slice ({ start, end }: FileBranch, content: Uint8Array, block: Uint8Array): Value<Uint8Array> | undefined {
  const value = content.subarray(start, Math.min(end, content.byteLength))

  // The view keeps the whole block in memory
  return value.byteLength > 0 ? { value, bytes: block.byteLength, blocks: 1 } : undefined
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
