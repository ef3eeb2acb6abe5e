import { join } from 'node:path'
import { errorCode, readFully } from './files.ts'
import { ENTRY_BYTES, BlockList } from './block-list.ts'
import { KEY_BYTES, writeKey } from './block-key.ts'
import { MAX_HEADER_BYTES, readHeader, recordMark } from './record.ts'
import { MAX_SEGMENT_BYTES, parseName, segmentName, sidecarName } from './segment.ts'
import { SIDECAR_HEADER_BYTES, decodeSidecar, maxSidecarBytes, sidecarHead } from './sidecar.ts'
import type { ListedBlock } from './block-list.ts'
import type { CacheFile, CacheFiles } from './files.ts'

export interface SegmentDirectory {
  readonly files: CacheFiles
  readonly directory: string
  readonly nonce: Uint8Array
}

export interface CheckedNames {
  /** Segments whose sidecars list other blocks than they have: those are not to be believed */
  readonly misfits: ReadonlySet<number>
  readonly repairs: readonly string[]
}

/** Of each segment, at most: damage hits one, another segment all */
const SAMPLES = 3
/** Before a file is given another name, or written on */
const MORE_SAMPLES = 8

/**
 * Gives files their names again that somebody has exchanged, as restoring or copying by hand can do. What was said
 * about a block is known by the number of its segment: under another one good blocks would be taken for removed ones,
 * and removed ones for good.
 */
export async function checkNames (at: SegmentDirectory): Promise<CheckedNames> {
  const { segments, sidecars } = await numbers(at)
  const strangers = new Set<number>()
  const last = Math.max(...segments)

  for (const id of segments) {
    if (sidecars.has(id) && !await isItsOwn(at, id, id === last)) {
      strangers.add(id)
    }
  }
  const orphans = [...sidecars].filter(id => !segments.has(id))
  const homeless = [...segments].filter(id => strangers.has(id) || !sidecars.has(id))
  if (strangers.size + orphans.length === 0 || homeless.length === 0) {
    return { misfits: strangers, repairs: [] }
  }
  const moves = await findMoves(at, segments, homeless, [...strangers, ...orphans])
  const repairs = [...moves].map(([from, to]) => `segment ${to}: its file was named as segment ${from}, and has its own name again`)
  await move(at, segments, moves)
  for (const to of moves.values()) {
    strangers.delete(to)
  }
  return { misfits: strangers, repairs }
}

async function numbers ({ files, directory }: SegmentDirectory): Promise<{ segments: Set<number>, sidecars: Set<number> }> {
  const found = { segments: new Set<number>(), sidecars: new Set<number>() }

  for (const name of await files.list(directory)) {
    const parsed = parseName(name)
    if (parsed != null) {
      // which throws for what is no file
      await files.size(join(directory, name))
      found[parsed.type === 'seg' ? 'segments' : 'sidecars'].add(parsed.id)
    }
  }
  return found
}

/** Whether the sidecar beside a segment is about it. One that is damaged says nothing, and is found out later */
async function isItsOwn (at: SegmentDirectory, id: number, isLast: boolean): Promise<boolean> {
  return readable(at, sidecarName(id), true, async sidecar => {
    const head = Buffer.alloc(SIDECAR_HEADER_BYTES)
    await readFully(sidecar, head, 0)
    const said = sidecarHead(head, at.nonce)

    if (said == null || said.blocks === 0) {
      return true
    }
    if (said.segment !== id) {
      return false
    }
    return readable(at, segmentName(id), true, async segment => {
      const size = await segment.size()
      // what lost its end and was written on has records of both, and another one where the last was
      const mayHaveGrown = said.covered <= size && (isLast || said.covered < size)
      let absent = 0

      for (const i of sampled(said.blocks, mayHaveGrown ? MORE_SAMPLES : SAMPLES)) {
        const entry = Buffer.alloc(ENTRY_BYTES)
        await readFully(sidecar, entry, SIDECAR_HEADER_BYTES + i * ENTRY_BYTES)
        const isFound = await isThere(at, segment, new BlockList(entry).at(0))
        absent += isFound ? 0 : 1
        if (isFound && !mayHaveGrown) {
          return true
        }
        if (!isFound && mayHaveGrown && (absent > 1 || i === said.blocks - 1)) {
          return false
        }
      }
      return mayHaveGrown
    })
  })
}

/** By the names that files have, those that they should have */
async function findMoves (at: SegmentDirectory, segments: ReadonlySet<number>, homeless: readonly number[], sidecars: readonly number[]): Promise<Map<number, number>> {
  const moves = new Map<number, number>()

  for (const name of sidecars) {
    const content = await readable(at, sidecarName(name), new Uint8Array(), async file => whole(file))
    const to = sidecarHead(Buffer.from(content), at.nonce)?.segment ?? name
    const blocks = decodeSidecar(content, at.nonce, to)?.blocks

    if (blocks == null || blocks.count === 0 || [...moves.values()].includes(to)) {
      continue
    }
    for (const from of homeless) {
      if (!moves.has(from) && await holds(at, from, blocks)) {
        moves.set(from, to)
        break
      }
    }
  }
  // a file is never written over
  for (let before = -1; before !== moves.size;) {
    before = moves.size
    for (const [from, to] of moves) {
      if (from === to || (segments.has(to) && !moves.has(to))) {
        moves.delete(from)
      }
    }
  }
  return moves
}

/** One after the other, by way of a new number where they wait for each other: a crash leaves names that are put right by the next opening */
async function move ({ files, directory }: SegmentDirectory, segments: Iterable<number>, moves: ReadonlyMap<number, number>): Promise<void> {
  const present = new Set(segments)
  const waiting = new Map(moves)
  const rename = async (from: number, to: number): Promise<void> => {
    await files.rename(join(directory, segmentName(from)), join(directory, segmentName(to)))
    waiting.delete(from)
    present.delete(from)
    present.add(to)
  }

  while (waiting.size > 0) {
    const next = [...waiting].find(([, to]) => !present.has(to))
    if (next == null) {
      const [from, to] = [...waiting][0] as [number, number]
      if (!waiting.has(to)) {
        throw new Error(`Segment ${from} should have the name of segment ${to}, which another file has and keeps`)
      }
      const between = Math.max(...present) + 1
      await rename(from, between)
      waiting.set(between, to)
    } else {
      await rename(...next)
    }
  }
  await files.syncDirectory(directory)
}

async function holds (at: SegmentDirectory, id: number, blocks: BlockList): Promise<boolean> {
  return readable(at, segmentName(id), false, async segment => {
    const samples = sampled(blocks.count, MORE_SAMPLES)
    let found = 0
    for (const i of samples) {
      found += await isThere(at, segment, blocks.at(i)) ? 1 : 0
    }
    return found * 2 > samples.length
  })
}

async function whole (file: CacheFile): Promise<Uint8Array> {
  // a sidecar for more is none
  const bytes = new Uint8Array(Math.min(await file.size(), maxSidecarBytes(MAX_SEGMENT_BYTES)))
  return bytes.subarray(0, await readFully(file, bytes, 0))
}

/** Evenly, the first and the last one among them */
function sampled (count: number, most: number): number[] {
  const samples = Math.min(count, most)
  return Array.from({ length: samples }, (_, i) => samples === 1 ? 0 : Math.floor(i * (count - 1) / (samples - 1)))
}

/** Whether the segment has a record of this block at this place */
async function isThere ({ nonce }: SegmentDirectory, segment: CacheFile, { key, multihashBytes, offset, length }: ListedBlock): Promise<boolean> {
  const bytes = Buffer.alloc(MAX_HEADER_BYTES)
  const header = readHeader(bytes.subarray(0, await readFully(segment, bytes, offset)), 0, recordMark(nonce))
  const found = Buffer.alloc(KEY_BYTES)

  if (header?.type !== 'block' || header.payloadBytes !== length || header.multihash.byteLength !== multihashBytes) {
    return false
  }
  writeKey(found, header.multihash)
  return found.equals(key)
}

/** What is made of a file, or what is said in its stead where the disk fails: that is dealt with when it is loaded */
async function readable<T> ({ files, directory }: SegmentDirectory, name: string, otherwise: T, read: (file: CacheFile) => Promise<T>): Promise<T> {
  let file: CacheFile | undefined
  try {
    file = await files.open(join(directory, name), 'read')
    return await read(file)
  } catch (err) {
    if (errorCode(err) !== 'EIO') {
      throw err
    }
    return otherwise
  } finally {
    await file?.close()
  }
}
