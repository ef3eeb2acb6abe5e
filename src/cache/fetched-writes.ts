import { copyOf } from './disk-writes.ts'
import type { CacheParts } from './cache-parts.ts'
import type { Block, DiskWrites, Present } from './disk-writes.ts'
import type { AdmitOptions } from '../interface/cache.ts'

/** Bytes under way to the disk; a disk that lets more pile up is not given more: a second of a slow one */
const MAX_BACKLOG = 67_108_864

export interface WriteOptions extends Pick<AdmitOptions, 'client' | 'wait' | 'signal'> {
  /** It was fetched by somebody who has admitted it before: nobody asks for it anew */
  readonly follows?: boolean
}

/** A block that the policy lets in */
interface Entering {
  readonly block: Block
  readonly hash: number
  readonly cost: number
  readonly ticket: number
  /** Whose share it takes up */
  readonly owner?: string
}

/** What was fetched: kept if the policy thinks that it is worth its place, and readable for a while in any case */
export class FetchedWrites {
  readonly #parts: CacheParts
  readonly #disk: DiskWrites
  readonly #present: Present

  constructor (parts: CacheParts, disk: DiskWrites, present: Present) {
    this.#parts = parts
    this.#disk = disk
    this.#present = present
  }

  /**
   * @param backlog - bytes under way, these included
   * @returns whether it is kept; at once where nothing has to be waited for
   */
  write (block: Block, backlog: number, options: WriteOptions): boolean | Promise<boolean> {
    const present = this.#present(block.cid, block.key)

    if (typeof present !== 'number') {
      return this.#again(copyOf(block), present, backlog, options)
    }
    return present === -1 ? this.#bring(block, backlog, options) : this.#join(present)
  }

  async #again (block: Block, present: Promise<number>, backlog: number, options: WriteOptions): Promise<boolean> {
    const slot = await present
    return slot === -1 || this.#parts.disk.find(block.cid.multihash.bytes) !== slot ? this.#bring(block, backlog, options) : this.#join(slot)
  }

  #join (slot: number): true {
    this.#parts.counts.joined++
    this.#disk.promise(slot)
    return true
  }

  #bring (block: Block, backlog: number, options: WriteOptions): boolean | Promise<boolean> {
    const { disk, residents, counts, health, room, transit, shares } = this.#parts
    const { client, wait = true, follows = false } = options
    const { cid, key, bytes } = block
    const held = transit.get(key)

    if (follows && held != null) {
      counts.joined++
      transit.hold(key, held)
      return false
    }
    const hash = disk.hashOf(cid.multihash.bytes)
    const cost = disk.costOf(bytes.byteLength)

    if (counts.came(hash, bytes.byteLength)) {
      residents.miss(hash)
    }
    if (!health.ok || backlog > MAX_BACKLOG) {
      counts.skippedWrites++
      return this.#pass(block, hash, wait)
    }
    const isRoom = wait || room.fits(cost)
    const ticket = isRoom && (client == null || shares?.allows(client, cost) !== false) ? residents.enter(hash, cost) : undefined

    if (ticket == null) {
      counts.declined++
      if (!isRoom) {
        room.want(cost)
      }
      return this.#pass(block, hash, wait)
    }
    const written = this.#disk.writeNow(block, cost, 'fetched')
    const entering = { block, hash, cost, ticket, owner: client == null ? undefined : shares?.expect(client, cost) }

    if (written === -1) {
      return this.#bringLater(entering, options)
    }
    this.#landed(entering, written)
    room.changed()
    return true
  }

  async #bringLater (entering: Entering, { wait = true }: WriteOptions): Promise<boolean> {
    const { residents, counts, health, room, shares } = this.#parts
    const { block, hash, cost, ticket, owner } = entering
    let written: number

    try {
      written = await this.#disk.write(block, cost, 'fetched')
    } catch (err) {
      residents.abandoned(ticket)
      if (owner != null) {
        shares?.unexpect(owner, cost)
      }
      if ((err as Error).name === 'CacheFullError') {
        counts.declined++
      } else {
        counts.skippedWrites++
        health.failed('writing', err)
      }
      return this.#pass(block, hash, wait)
    }
    this.#landed(entering, written)
    room.release(cost)
    return true
  }

  #landed ({ block: { key, bytes }, cost, ticket, owner }: Entering, slot: number): void {
    const { residents, counts, memory, shares } = this.#parts
    residents.landed(ticket, slot)
    counts.admitted++
    memory.set(key, bytes, slot)

    if (owner != null && shares != null) {
      shares.own(owner, slot, cost)
      shares.unexpect(owner, cost)
      // only now: what is declined or cannot be written costs its client nothing
      for (const old of shares.excess(owner, 0)) {
        shares.forget(old)
        residents.condemn(old, { final: true })
      }
    }
  }

  async #pass (block: Block, hash: number, wait: boolean): Promise<false> {
    if (!await this.#disk.pass(block, wait)) {
      this.#parts.counts.again(hash)
    }
    return false
  }
}
