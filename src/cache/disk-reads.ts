import { within } from './within.ts'
import type { CacheKey } from './key.ts'
import type { CacheParts } from './cache-parts.ts'
import type { CID } from 'multiformats/cid'

/** A disk that takes longer, in ms, is passed by: half of what a read of the network gives a provider before it asks the next */
const READ_TIMEOUT = 5_000

/** Blocks that could not be read are asked about before they are said to be here; so many are remembered */
const MAX_SUSPECTS = 4_096

/** Reads from disk: one per block at a time, each checked, what is damaged put aside */
export class DiskReads {
  readonly #parts: CacheParts
  readonly #flights = new Map<CacheKey, Promise<Uint8Array | undefined>>()
  readonly #suspects = new Set<CacheKey>()

  constructor (parts: CacheParts) {
    this.#parts = parts
  }

  /** Whether the block can be said to be here without reading it */
  trusts (key: CacheKey, slot: number): boolean {
    return this.#parts.disk.checked(slot) && !this.#suspects.has(key)
  }

  /** The block whole and right, or undefined; never throws */
  async read (cid: CID, key: CacheKey, slot: number): Promise<Uint8Array | undefined> {
    const current = this.#flights.get(key)

    if (current != null) {
      return current
    }
    const flight: Promise<Uint8Array | undefined> = this.#read(cid, key, slot, { keep: () => this.#flights.get(key) === flight, rate: this.#parts.verifyRate }).finally(() => {
      if (this.#flights.get(key) === flight) {
        this.#flights.delete(key)
      }
    })
    this.#flights.set(key, flight)
    return flight
  }

  /** As `read`, and hashed whenever that was done before; it is not asked for, so nothing is kept of it in memory */
  async hash (cid: CID, key: CacheKey, slot: number): Promise<Uint8Array | undefined> {
    return this.#read(cid, key, slot, { keep: () => false, rate: 1 })
  }

  /** The block was deleted: what is being read of it is for those who asked before */
  forget (key: CacheKey): void {
    this.#flights.delete(key)
    this.#suspects.delete(key)
  }

  async settled (): Promise<void> {
    await Promise.all(this.#flights.values())
  }

  /** Undefined when it takes too long; the disk is slow until it is over */
  async inTime (reading: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    const { clock, health } = this.#parts
    return within(clock, READ_TIMEOUT, reading, () => {
      health.slow(`a read takes longer than ${READ_TIMEOUT} ms`, reading)
      return undefined
    })
  }

  async #read (cid: CID, key: CacheKey, slot: number, { keep, rate }: { keep: () => boolean, rate: number }): Promise<Uint8Array | undefined> {
    const { disk, memory, health, random, log } = this.#parts
    const multihash = cid.multihash.bytes
    const there = (): boolean => disk.find(multihash) === slot
    // the slot may be another block's when the bytes are there
    const trusted = disk.checked(slot) && random.next() >= rate
    let bytes: Uint8Array | undefined

    try {
      bytes = await this.inTime(disk.read(slot))
    } catch (err) {
      if ((err as Error).name === 'DamagedBlockError') {
        log.error('%c was damaged on disk and is put aside - %e', cid, err)
        await this.#quarantine(multihash, slot, (err as Error).message)
      } else {
        this.#suspect(key)
        health.failed('reading', err)
      }
      return undefined
    }

    if (bytes == null) {
      this.#suspect(key)
      return undefined
    }

    if (!await this.#isRight(cid, bytes, trusted)) {
      await this.#quarantine(multihash, slot, `its bytes are not those of ${cid}`)
      return undefined
    }

    this.#suspects.delete(key)
    if (there()) {
      disk.setChecked(slot)
      if (keep()) {
        memory.set(key, bytes, slot)
      }
    }
    return bytes
  }

  async #isRight (cid: CID, bytes: Uint8Array, trusted: boolean): Promise<boolean> {
    const { verifier, log } = this.#parts

    if (trusted) {
      verifier.vouch(cid, bytes)
      return true
    }
    try {
      await verifier.verify(cid, bytes, { maxBlockSize: Math.max(1, bytes.byteLength) })
      return true
    } catch (err) {
      log.error('%c is not what is on disk under its name - %e', cid, err)
      return false
    }
  }

  async #quarantine (multihash: Uint8Array, slot: number, why: string): Promise<void> {
    const { disk, counts } = this.#parts
    const hash = disk.hashOf(multihash)

    // a tier that found out by itself has put it aside already
    if (disk.find(multihash) === slot) {
      await this.putAside(slot, hash, why)
    } else {
      counts.quarantined++
      this.#parts.gone(slot, hash)
    }
  }

  /** A damaged block, unless another one is in its slot by now */
  async putAside (slot: number, hash: number, why: string): Promise<void> {
    const { disk, counts, health } = this.#parts

    if (disk.hash(slot) === hash) {
      counts.quarantined++
      this.#parts.gone(slot, hash)
      try {
        await disk.quarantine(slot, why)
      } catch (err) {
        health.failed('putting a damaged block aside', err)
      }
    }
  }

  #suspect (key: CacheKey): void {
    if (this.#suspects.size >= MAX_SUSPECTS) {
      const oldest = this.#suspects.values().next()
      if (oldest.done !== true) {
        this.#suspects.delete(oldest.value)
      }
    }
    this.#suspects.add(key)
  }
}
