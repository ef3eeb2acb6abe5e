import { Deadlines } from './deadlines.ts'
import type { CacheKey } from './key.ts'
import type { CacheParts } from './cache-parts.ts'
import type { CID } from 'multiformats/cid'

/** A disk that takes longer, in ms, is passed by: half of what a read of the network gives a provider before it asks the next */
const READ_TIMEOUT = 5_000

/** Blocks that could not be read, or may not have been written as they were, are asked about before they are said to be here; so many are remembered */
const MAX_SUSPECTS = 4_096

interface Flight {
  /** Not hashed: the block was hashed before */
  readonly trusted: boolean
  /** Whoever reads it tells what is damaged himself */
  readonly tells?: boolean
  bytes?: Promise<Uint8Array | undefined>
}

/** Reads from disk: one per block at a time, each checked, what is damaged put aside */
export class DiskReads {
  readonly #parts: CacheParts
  readonly #flights = new Map<CacheKey, Flight>()
  readonly #deadlines: Deadlines
  readonly #suspects = new Set<CacheKey>()
  /** Reads that are to be hashed, and were given back by `readNow` for that */
  #due = 0

  constructor (parts: CacheParts) {
    this.#parts = parts
    this.#deadlines = new Deadlines(parts.clock, READ_TIMEOUT)
  }

  /** Whether the block can be said to be here without reading it */
  trusts (key: CacheKey, slot: number): boolean {
    return this.#parts.disk.checked(slot) && !this.#suspects.has(key)
  }

  /** The block, before it returns, where the system has it in memory and it need not be hashed; undefined when it has to be `read` */
  readNow (cid: CID, key: CacheKey, slot: number): Uint8Array | undefined {
    const { disk, memory, verifier } = this.#parts
    const bytes = disk.checked(slot) && !this.#flights.has(key) ? disk.readNow(slot) : undefined

    if (bytes == null) {
      return undefined
    }
    if (this.#isToHash()) {
      this.#due++
      return undefined
    }
    verifier.vouch(cid, bytes)
    this.#suspects.delete(key)
    memory.set(key, bytes, slot)
    return bytes
  }

  /** The block whole and right, or undefined; never throws */
  async read (cid: CID, key: CacheKey, slot: number): Promise<Uint8Array | undefined> {
    let flight = this.#flights.get(key)

    if (flight == null) {
      flight = { trusted: this.#parts.disk.checked(slot) && !this.#isToHash() }
      this.#flights.set(key, flight)
      flight.bytes = this.#read(cid, key, slot, flight)
    }
    return flight.bytes
  }

  /** Of blocks that were hashed before, a share is hashed again */
  #isToHash (): boolean {
    const { random, verifyRate } = this.#parts

    if (this.#due > 0) {
      this.#due--
      return true
    }
    return random.next() < verifyRate
  }

  /** As `read`, and hashed whenever that was done before; it is not asked for, so nothing is kept of it in memory */
  async hash (cid: CID, key: CacheKey, slot: number): Promise<Uint8Array | undefined> {
    return this.#read(cid, key, slot, { trusted: false, tells: true })
  }

  /** The block was deleted: what is being read of it is for those who asked before */
  forget (key: CacheKey): void {
    this.#flights.delete(key)
    this.#suspects.delete(key)
  }

  async settled (): Promise<void> {
    await Promise.all(Array.from(this.#flights.values(), async ({ bytes }) => bytes))
    this.#deadlines.close()
  }

  /** Undefined when it takes too long; the disk is slow until it is over */
  async inTime (reading: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    return this.#deadlines.within(reading, () => {
      this.#parts.health.slow(`a read takes longer than ${READ_TIMEOUT} ms`, reading)
    })
  }

  async #read (cid: CID, key: CacheKey, slot: number, flight: Flight): Promise<Uint8Array | undefined> {
    const { disk, verifier } = this.#parts
    const multihash = cid.multihash.bytes
    let bytes: Uint8Array | undefined

    try {
      try {
        bytes = await this.inTime(disk.read(slot))
      } catch (err) {
        return await this.#failed(cid, key, slot, err, flight)
      }

      if (bytes == null) {
        this.doubt(key)
        return undefined
      }

      // not asked now: the slot may be another block's by the time when the bytes are there
      if (flight.trusted) {
        verifier.vouch(cid, bytes)
      } else if (!await this.#isRight(cid, bytes)) {
        await this.#quarantine(cid, slot, 'its bytes have another hash', flight)
        return undefined
      }

      this.#suspects.delete(key)
      if (disk.find(multihash) === slot) {
        disk.setChecked(slot)
        if (this.#flights.get(key) === flight) {
          this.#parts.memory.set(key, bytes, slot)
        }
      }
      return bytes
    } finally {
      if (this.#flights.get(key) === flight) {
        this.#flights.delete(key)
      }
    }
  }

  async #failed (cid: CID, key: CacheKey, slot: number, err: unknown, flight: Flight): Promise<undefined> {
    const { health, log } = this.#parts

    if ((err as Error).name === 'DamagedBlockError') {
      log('%c was damaged on disk - %e', cid, err)
      await this.#quarantine(cid, slot, (err as Error).message, flight)
    } else {
      this.doubt(key)
      health.failed('reading', err)
    }
  }

  async #isRight (cid: CID, bytes: Uint8Array): Promise<boolean> {
    const { verifier, log } = this.#parts

    try {
      await verifier.verify(cid, bytes, { maxBlockSize: Math.max(1, bytes.byteLength) })
      return true
    } catch (err) {
      log('%c is not what is on disk under its name - %e', cid, err)
      return false
    }
  }

  async #quarantine (cid: CID, slot: number, why: string, { tells = false }: Flight): Promise<void> {
    const { disk, counts, log } = this.#parts
    const multihash = cid.multihash.bytes
    const hash = disk.hashOf(multihash)

    if (!tells) {
      log.error('%c was damaged on disk and is put aside: %s', cid, why)
    }

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

  /** It is read before it is said to be here */
  doubt (key: CacheKey): void {
    if (this.#suspects.size >= MAX_SUSPECTS) {
      const oldest = this.#suspects.values().next()
      if (oldest.done !== true) {
        this.#suspects.delete(oldest.value)
      }
    }
    this.#suspects.add(key)
  }
}
