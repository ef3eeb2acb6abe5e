import { TieredCache } from './block-cache.ts'
import { CacheCounts } from './cache-counts.ts'
import { DiskHealth } from './disk-health.ts'
import { MemoryTier } from './memory-tier.ts'
import { adaptivePolicy } from './policy/adaptive-policy.ts'
import { PROMISE_TIME } from './cache-parts.ts'
import { Residents } from './residents.ts'
import { Room } from './room.ts'
import { Shares } from './shares.ts'
import { Transit } from './transit.ts'
import { within } from './within.ts'
import type { CacheParams } from './params.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskTier } from './disk/disk-tier.ts'
import type { SharedTier } from './shared/shared-tier.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'

export interface CacheComponents {
  /** Open already */
  readonly disk: DiskTier
  readonly shared?: SharedTier
  readonly verifier: BlockVerifier
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** What the policy learnt, beside the blocks */
const POLICY_NOTE = 'policy'
const PROBE_NOTE = 'probe'

/** The policy goes on from what it knew so long ago at most when the process is killed */
const SAVE_INTERVAL = 300_000

/** What a note takes besides its value, amply */
const NOTE_MARGIN = 64

/** For a last save, in ms: what is learnt again is not worth more waiting for a disk that hangs */
const SAVE_TIMEOUT = 5_000

/** Puts a cache together over a disk tier that is open */
export async function composeCache (components: CacheComponents, params: CacheParams): Promise<BlockCache> {
  const { disk, clock, random, log, verifier, shared } = components
  const { maxBytes, memoryBytes, transitBytes, capacity, puts, verifyRate, maxShare } = params
  const counts = new CacheCounts()
  const memory = new MemoryTier(memoryBytes)
  const transit = new Transit({ clock, maxBytes: transitBytes, time: PROMISE_TIME })
  const policy = adaptivePolicy({ capacity, random })
  const residents = new Residents({ disk, policy, clock, capacity })
  const shares = maxShare == null ? undefined : new Shares(() => residents.fetchable * maxShare)
  const health = new DiskHealth({
    clock,
    random,
    log,
    probe: async () => {
      await disk.saveNote(PROBE_NOTE, Uint8Array.of(1))
      await disk.loadNote(PROBE_NOTE)
      await disk.settle()
    }
  })
  const room = new Room({
    disk,
    residents,
    clock,
    log,
    maxBytes,
    evicting: (slots, bytes) => {
      counts.evicted += slots.length
      counts.evictedBytes += bytes
      for (const slot of slots) {
        shares?.forget(slot)
        memory.deleteSlot(slot)
      }
    },
    failed: (what, err) => { health.failed(what, err) }
  })
  const parts: CacheParts = {
    disk,
    residents,
    policy,
    memory,
    transit,
    room,
    health,
    counts,
    shares,
    verifier,
    verifyRate,
    clock,
    random,
    log,
    gone: (slot, hash) => {
      // the slot may belong to another block by now
      if (disk.hash(slot) === hash) {
        residents.forget(slot)
        shares?.forget(slot)
        memory.deleteSlot(slot)
      }
    }
  }

  await recall(components, residents)
  const save = async (): Promise<void> => {
    const saved = residents.save()
    const { files, headroom } = disk.usage()
    // the old one is there until the new one is whole; in a cache that small, what was learnt is learnt again
    if (saved != null && files + headroom + saved.byteLength + NOTE_MARGIN <= maxBytes) {
      await disk.saveNote(POLICY_NOTE, saved)
    }
  }
  let closed = false
  let cancel = (): void => {}
  const saveLater = (): void => {
    // a save may be under way when it is closed
    if (!closed) {
      cancel = clock.schedule(SAVE_INTERVAL, () => {
        save().catch((err: unknown) => { health.failed('saving what was learnt', err) }).finally(saveLater)
      })
    }
  }
  saveLater()

  return new TieredCache(parts, {
    puts,
    maxBytes,
    shared,
    close: async () => {
      closed = true
      cancel()
      residents.close()
      await within(clock, SAVE_TIMEOUT, save().catch((err: unknown) => {
        log.error('what the cache learnt could not be saved - %e', err)
      }), () => {
        log.error('what the cache learnt was not saved within %d ms', SAVE_TIMEOUT)
      })
      await disk.close()
    }
  })
}

/** What is on disk becomes the policy's affair, and it goes on from what it had learnt */
async function recall ({ disk, log }: CacheComponents, residents: Residents): Promise<void> {
  try {
    const saved = await disk.loadNote(POLICY_NOTE)
    if (saved != null) {
      residents.restore(saved)
    }
  } catch (err) {
    log.error('what the cache had learnt could not be read, it begins anew - %e', err)
  }

  residents.reserve(disk.usage().blocks)
  for (const slot of disk.slots()) {
    if (disk.kind(slot) === 'authored') {
      residents.author(slot)
    } else {
      residents.add(slot)
    }
  }
}
