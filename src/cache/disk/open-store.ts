import { join } from 'node:path'
import { AppendLog } from './append-log.ts'
import { BlockIndex } from './block-index.ts'
import { Notes } from './notes.ts'
import { placeOf, segmentOf } from './opened-store.ts'
import { PromptReads } from './prompt-reads.ts'
import { recordMark } from './record.ts'
import { readRecord } from './record-read.ts'
import { recover } from './recovery.ts'
import { Reserve } from './reserve.ts'
import { SEGMENTS } from './segment.ts'
import { Segments } from './segments.ts'
import { LOCK, assertOurs, openFormat } from './store-format.ts'
import { StoredBlocks } from './stored-blocks.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CacheFiles } from './files.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'
import type { Duplicate, Recovery } from './recovery.ts'
import type { Segment } from './segment.ts'

export interface OpenStoreInit {
  readonly path: string
  readonly files: CacheFiles
  readonly segmentBytes: number
  readonly clock: Clock
  readonly logger: Logger
}

export interface StoreOpening {
  readonly store: OpenedStore
  readonly notes: Notes
  readonly repairs: readonly string[]
  readonly unlock: () => Promise<void>
}

/** Takes the lock, reads or makes the format, and fills the index; or changes nothing and throws */
export async function openStore (init: OpenStoreInit): Promise<StoreOpening> {
  const { path, files, segmentBytes, clock, logger } = init
  const reserve = new Reserve(files, path, segmentBytes, logger)

  await assertOurs(files, path)
  await files.makeDirectory(join(path, LOCK))
  const unlock = await reserve.spend(async () => files.lock(join(path, LOCK)))
  try {
    const { nonce, repairs } = await reserve.spend(async () => openFormat(files, path))
    const directory = join(path, SEGMENTS)
    await files.makeDirectory(directory)

    const index = new BlockIndex(nonce)
    const blocks = new StoredBlocks(index)
    const segments = new Segments({ files, blocks, nonce, clock, log: logger }, { directory, limit: segmentBytes })
    const recovery = await recover({ files, directory, nonce, blocks, limit: segmentBytes })
    segments.adopt(recovery.segments, recovery.last)

    const store: OpenedStore = { path, files, clock, logger, nonce, mark: recordMark(nonce), blocks, index, segments, log: new AppendLog(segments, clock), promptReads: new PromptReads(clock, process.availableMemory()), reserve }
    const notes = new Notes(store)
    segments.onLeft = places => { notes.owe(places) }
    const resolved = await resolveDuplicates(store, notes, recovery.duplicates)
    await sayAgain(store, notes, recovery)
    await reserve.make()
    // on a full disk what is left is for what makes room
    if (reserve.size > 0) {
      for (const segment of recovery.unwritten) {
        await segments.writeSidecar(segment, false)
      }
      // at hand for the first put, which would wait for it for 1 to 13 ms
      await segments.active(0).catch((err: unknown) => { logger.trace('the first write has to make its segment: %e', err) })
    }
    return { store, notes, repairs: [...repairs, ...recovery.repairs, ...resolved], unlock }
  } catch (err) {
    await unlock()
    throw err
  }
}

/**
 * Of two records of a block the later one stays if it is whole; the other is said to be
 * gone, once the one that stays has reached the disk.
 */
async function resolveDuplicates (store: OpenedStore, notes: Notes, duplicates: readonly Duplicate[]): Promise<string[]> {
  const { blocks, index, segments } = store
  const gone: RecordPlace[] = []
  const staying = new Set<Segment>()

  for (const { slot, place, kind } of duplicates) {
    const segment = blocks.segments.get(place.segment)
    const current = placeOf(index, slot)
    let multihash = await wholeBlock(store, slot, current)

    if (multihash == null && segment != null) {
      multihash = await wholeBlock(store, slot, place)
    }
    if (segment != null && multihash != null && multihash.from === place) {
      blocks.move(slot, segment, place.offset)
      gone.push(current)
    } else {
      gone.push(place)
    }
    staying.add(segmentOf(store, slot))
    // the safe side: what somebody authored is not evicted
    if (multihash != null && kind === 'authored' && index.kind(slot) !== kind) {
      await notes.setKind(multihash.bytes, kind)
    }
  }
  for (const segment of staying) {
    // written by a process that is gone
    segment.synced = false
    await segments.sync(segment)
  }
  await notes.removed(gone)
  return gone.length === 0 ? [] : [`${gone.length} blocks were there twice, as a copy that was cut short leaves them; one of each stays`]
}

/** What segments that are gone said about others; then what was left of them goes. Until both are done, each start finds it again */
async function sayAgain ({ files, segments, logger }: OpenedStore, notes: Notes, { unsaid, litter }: Recovery): Promise<void> {
  if (litter.length === 0) {
    return
  }
  try {
    await notes.removed(unsaid.removals)
    for (const note of unsaid.kinds) {
      await notes.keepKind(note.multihash, note)
    }
    if (segments.current != null) {
      await segments.sync(segments.current)
    }
    for (const name of litter) {
      await files.remove(join(segments.directory, name))
    }
    await files.syncDirectory(segments.directory)
  } catch (err) {
    logger.error('what is left of lost segments stays until the next start: %e', err)
  }
}

/** The multihash of the block whose record is whole at this place */
async function wholeBlock (store: OpenedStore, slot: number, place: RecordPlace): Promise<{ bytes: Uint8Array, from: RecordPlace } | undefined> {
  const { index } = store
  try {
    const { header } = await readRecord(store, place, { key: index.key(slot), multihashBytes: index.multihashBytes(slot), length: index.length(slot) })
    return { bytes: Uint8Array.from(header.multihash), from: place }
  } catch (err) {
    store.logger.trace('a record that is there twice is not whole: %e', err)
    return undefined
  }
}
