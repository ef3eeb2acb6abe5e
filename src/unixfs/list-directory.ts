import { readBudget } from '../block/read-budget.ts'
import { fixedWindow } from '../block/read-window.ts'
import { wholeNumber } from '../block/whole-number.ts'
import { withOwnSignal } from '../clock/own-signal.ts'
import { UnixFSError } from '../interface/errors.ts'
import { checkShard, checkShardLevel, shardCID, shardShape } from './hamt.ts'
import { orderedWalk } from './ordered-walk.ts'
import { DAG_PB_CODE, decodeNode, linkCID, linkSize } from './unixfs-node.ts'
import type { ShardShape } from './hamt.ts'
import type { Branch, Opened, Step } from './ordered-walk.ts'
import type { ReadBudget } from '../block/read-budget.ts'
import type { NodeLink, UnixFSNode } from './unixfs-node.ts'
import type { BlockLoader, DirectoryEntry, ListOptions } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** Above the largest directories in use, those of Wikipedia mirrors; a bomb of 256^6 entries ends here */
export const DEFAULT_MAX_ENTRIES = 10_000_000

/**
 * As many as one provider is asked for at once by default. 5 000 entries are 448
 * shards: 16 delays so, 30 with half as many, and 11 with 64, of which full ones
 * would hold 12 MB.
 */
const LIST_WINDOW_BLOCKS = 32

/** Room for 32 shards in flight with half of it, and for some 2 400 entries ahead of a slow reader */
const LIST_WINDOW_BYTES = 1_048_576

/** An entry's CID, objects and list node in memory, beside its name */
const ENTRY_BYTES = 400

/** A full shard: 256 links with short names */
const SHARD_BYTES = 16_384

/** A decoded link: its objects, beside the block that they are views of */
const LINK_BYTES = 300

/** A plain directory of the most links that a node may have, and the shards above any other */
const MAX_LINK_BYTES = 33_554_432

/** 35 full shards: more than are in flight at once, or they would be asked for twice */
const MAX_LINK_BYTES_AHEAD = 3_145_728

/** Shards without an entry that a listing may visit: an honest shard has two or more entries below it */
const MAX_BARREN_SHARDS = 512
const BARREN_SHARDS_PER_ENTRY = 2

export interface ListDirectoryOptions extends ListOptions {
  /** Throw a `too-large` UnixFSError after so many entries. @default 10_000_000 */
  maxEntries?: number
  /** Shared with other readers. @default one of its own */
  budget?: ReadBudget
}

interface ShardBranch extends Branch {
  readonly shape?: ShardShape
  readonly level: number
}

type EntryStep = Step<ShardBranch, DirectoryEntry>

/**
 * Lists a directory, plain or sharded, in the order of its DAG, as its blocks
 * arrive. Names come verbatim: they may hold `..`, `/`, NUL or markup.
 */
export function listDirectory (cid: CID, load: BlockLoader, options: ListDirectoryOptions = {}): AsyncGenerator<DirectoryEntry, void, undefined> {
  return withOwnSignal(signal => list(cid, load, { ...options, signal }), options.signal)
}

async function * list (cid: CID, load: BlockLoader, options: ListDirectoryOptions & { signal: AbortSignal }): AsyncGenerator<DirectoryEntry, void, undefined> {
  const { signal } = options
  const limit = wholeNumber('limit', options.limit ?? Number.MAX_SAFE_INTEGER)
  const maxEntries = wholeNumber('maxEntries', options.maxEntries ?? DEFAULT_MAX_ENTRIES)

  if (cid.code !== DAG_PB_CODE) {
    throw new UnixFSError('not-a-directory', `${cid} has codec 0x${cid.code.toString(16)}: directories are dag-pb`)
  }

  if (limit === 0) {
    return
  }

  const budget = new ShardBudget()
  let entries = 0

  for await (const entry of orderedWalk<ShardBranch, DirectoryEntry>({
    root: { cid, cost: SHARD_BYTES, reach: SHARD_BYTES, level: 0 },
    load,
    open: (branch, block) => openDirectory(branch, block, budget),
    // Who wants few entries needs few shards
    window: fixedWindow(Math.min(LIST_WINDOW_BYTES, limit * ENTRY_BYTES)),
    windowBlocks: LIST_WINDOW_BLOCKS,
    account: (options.budget ?? readBudget()).open(),
    maxHeld: MAX_LINK_BYTES,
    maxHeldAhead: MAX_LINK_BYTES_AHEAD,
    signal
  })) {
    if (entries === maxEntries) {
      throw new UnixFSError('too-large', `${cid} has more than ${maxEntries} entries`)
    }

    yield entry

    if (++entries === limit) {
      return
    }
  }
}

function openDirectory (branch: ShardBranch, block: Uint8Array, budget: ShardBudget): Opened<ShardBranch, DirectoryEntry> {
  const { cid, level } = branch
  const node = decodeNode(cid, block)
  const held = node.links.length * LINK_BYTES + block.byteLength
  const ahead = node.links.length * ENTRY_BYTES

  if (node.type === 'DIRECTORY' && branch.shape == null) {
    return { steps: entriesOf(cid, node), held, ahead }
  }

  if (node.type !== 'HAMT_SHARD' && branch.shape == null) {
    throw new UnixFSError('not-a-directory', `${cid} is of type ${node.type}`)
  }

  const shape = branch.shape ?? shardShape(cid, node)

  checkShard(cid, node, shape)
  checkShardLevel(cid, level, shape)
  budget.visit(cid, node.links.filter(({ name = '' }) => name.length > shape.width).length)

  return { steps: entriesOfShard(cid, node, shape, level), held, ahead }
}

function * entriesOf (cid: CID, node: UnixFSNode): Generator<EntryStep> {
  for (const link of node.links) {
    yield entryStep(cid, link, link.name ?? '')
  }
}

function * entriesOfShard (cid: CID, node: UnixFSNode, shape: ShardShape, level: number): Generator<EntryStep> {
  for (const link of node.links) {
    const name = link.name ?? ''

    if (name.length < shape.width) {
      throw new UnixFSError('malformed', `${cid} has a link whose name tells no slot`)
    }

    yield name.length === shape.width
      ? { branch: { cid: shardCID(cid, link), cost: SHARD_BYTES, reach: SHARD_BYTES, shape, level: level + 1 } }
      : entryStep(cid, link, name.slice(shape.width))
  }
}

function entryStep (parent: CID, link: NodeLink, name: string): EntryStep {
  return {
    value: { name, cid: linkCID(parent, link), size: linkSize(link) },
    bytes: ENTRY_BYTES + 2 * name.length,
    blocks: 0
  }
}

/** Stops listings that visit shard after shard and find few entries in them */
class ShardBudget {
  #barren = 0
  #entries = 0

  visit (cid: CID, entries: number): void {
    this.#entries += entries

    if (entries === 0 && ++this.#barren > MAX_BARREN_SHARDS + BARREN_SHARDS_PER_ENTRY * this.#entries) {
      throw new UnixFSError('too-large', `${this.#barren} shards were read for ${this.#entries} entries, the last was ${cid}`)
    }
  }
}
