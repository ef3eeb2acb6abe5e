import { PROMISE_TIME } from './cache-parts.ts'
import { MAX_GATHERED, MAX_GATHERED_BYTES } from './disk/append-log.ts'
import { ENTRY_BYTES } from './disk/block-list.ts'
import { cacheKey } from './key.ts'
import type { CacheParts } from './cache-parts.ts'
import type { GatheredWrites } from './disk/disk-tier.ts'
import type { Block } from './disk-writes.ts'
import type { WriteOptions } from './fetched-writes.ts'
import type { CID } from 'multiformats/cid'

/** Bytes. Of larger blocks the call of the system is a small part of what a put costs */
const MAX_BLOCK = 8_192

/** What all of them together may take on disk: asked for once, and not for each */
const ROOM = MAX_GATHERED_BYTES + MAX_GATHERED * ENTRY_BYTES

interface GatheredPut {
  readonly cid: CID
  readonly options: WriteOptions
  readonly resolve: (kept: boolean | Promise<boolean>) => void
}

/**
 * Small blocks that users put in one turn, and that nothing else is being done with: they go to the system by one call,
 * and stand in no table before it has them. Whoever looks at the cache meanwhile flushes them first, so that nobody ever
 * sees one that is only gathered.
 */
export class GatheredPuts {
  readonly #parts: CacheParts
  /** The way of all other puts whose bytes are right */
  readonly #put: (block: Block, options: WriteOptions) => boolean | Promise<boolean>
  #puts: GatheredPut[] = []
  #cost = 0

  constructor (parts: CacheParts, put: (block: Block, options: WriteOptions) => boolean | Promise<boolean>) {
    this.#parts = parts
    this.#put = put
    parts.disk.onGathered = writes => { this.#over(writes) }
  }

  flush (): void {
    if (this.#puts.length > 0) {
      this.#parts.disk.flush()
    }
  }

  /** The bytes are looked at, and copied, before it returns. @returns undefined when nobody has looked at them */
  put (cid: CID, bytes: Uint8Array, options: WriteOptions): boolean | Promise<boolean> | undefined {
    const { disk, health, room, verifier } = this.#parts
    const multihash = cid.multihash.bytes
    const length = bytes.byteLength

    if (length > MAX_BLOCK || !health.ok || !verifier.isRight(multihash, bytes)) {
      return undefined
    }
    const cost = disk.costOf(length)

    if (!this.#gather(multihash, bytes, cost)) {
      const isFirst = this.#puts.length === 0
      this.flush()
      if (isFirst || !this.#gather(multihash, bytes, cost)) {
        return this.#put({ cid, key: cacheKey(cid), bytes }, options)
      }
    }
    if (this.#puts.length === 0) {
      room.takeNow(ROOM)
    }
    this.#cost += cost
    return new Promise(resolve => { this.#puts.push({ cid, options, resolve }) })
  }

  #gather (multihash: Uint8Array, bytes: Uint8Array, cost: number): boolean {
    const { disk, residents, room } = this.#parts
    return this.#cost + cost <= residents.authorable && (this.#puts.length > 0 || room.fits(ROOM)) && disk.gather(multihash, bytes, 'authored')
  }

  #over ({ slots, left }: GatheredWrites): void {
    const { clock, disk, residents, room, transit } = this.#parts
    const puts = this.#puts
    this.#puts = []
    this.#cost = 0

    if (slots == null) {
      room.release(ROOM)
      puts.forEach(({ cid, options, resolve }, i) => { resolve(this.#put({ cid, key: cacheKey(cid), bytes: left[i] as Uint8Array }, options)) })
      return
    }
    const until = clock.now() + PROMISE_TIME

    for (const slot of slots) {
      disk.promise(slot, until)
    }
    residents.authorAll(slots)
    room.release(ROOM)
    for (const { cid, resolve } of puts) {
      if (!transit.isEmpty) {
        transit.delete(cacheKey(cid))
      }
      resolve(true)
    }
  }
}
