import type { Place } from './dag-outline.ts'
import type { ReadAccount, ReadBudget } from '../block/read-budget.ts'
import type { ReadWindow } from '../block/read-window.ts'
import type { BlockKey } from '../interface/provider.ts'

/** For DAGs of tiny blocks: ten times what may be in flight */
const MAX_AHEAD = 256

/** A place with its CID, in memory */
const PLACE_BYTES = 600

export interface BlocksAheadInit {
  /** How many bytes may be ahead of the reader */
  readonly window: ReadWindow
  /** What all readers of the process share */
  readonly budget: ReadBudget
  /** What arrived waits here, since nobody stores it */
  readonly keeps: boolean
}

export interface BlockAhead {
  readonly place: Place
  /** Tells that a reader waits */
  readonly need: () => void
  /** Counted in the window: a guess until it is here */
  bytes: number
  here: boolean
  /** The reader has gone on without it: the first to give way */
  passed: boolean
  block?: Uint8Array
}

/** The blocks ahead of one reader, in flight or waiting: as many bytes as the window has, and as the process can spare */
export class BlocksAhead {
  readonly #init: BlocksAheadInit
  readonly #blocks = new Map<BlockKey, BlockAhead>()
  #account?: ReadAccount
  #bytes = 0
  #links = 0
  #linksCounted = 0

  constructor (init: BlocksAheadInit) {
    this.#init = init
  }

  get (key: BlockKey): BlockAhead | undefined {
    return this.#blocks.get(key)
  }

  /** For a block of the expected size: waiting ones that the reader has passed by give way to it */
  hasRoom (bytes: number): boolean {
    const account = this.#counted()
    const limit = Math.min(this.#init.window.bytes, account.share)
    const passed = [...this.#blocks.values()].filter(({ passed, here }) => passed && here)

    while (this.#bytes + bytes > limit || this.#blocks.size >= MAX_AHEAD) {
      const oldest = passed.shift()

      if (oldest == null) {
        this.#closeWhenEmpty()
        return false
      }

      this.drop(oldest)
    }

    return this.#counted().take(bytes)
  }

  /** For which there was room */
  add (place: Place, bytes: number, need: () => void): BlockAhead {
    const ahead: BlockAhead = { place, need, bytes, here: false, passed: false }
    this.#blocks.set(place.key, ahead)
    this.#bytes += bytes
    return ahead
  }

  /** It may be the reader's already, or nobody's */
  arrive (ahead: BlockAhead, block: Uint8Array): void {
    if (this.#blocks.get(ahead.place.key) === ahead) {
      this.#account?.force(block.byteLength - ahead.bytes)
      this.#bytes += block.byteLength - ahead.bytes
      ahead.bytes = block.byteLength
      ahead.here = true
      ahead.block = this.#init.keeps ? block : undefined
    }
  }

  drop (ahead: BlockAhead): void {
    if (this.#blocks.get(ahead.place.key) === ahead) {
      this.#blocks.delete(ahead.place.key)
      this.#bytes -= ahead.bytes
      this.#account?.release(ahead.bytes)
      this.#closeWhenEmpty()
    }
  }

  /** Those that are not here yet are wanted no more */
  dropInFlight (): void {
    for (const ahead of [...this.#blocks.values()]) {
      if (!ahead.here) {
        ahead.place.wanted = false
        this.drop(ahead)
      }
    }
  }

  /** These places come after the reader, and no others */
  follow (places: ReadonlySet<Place>): void {
    for (const ahead of this.#blocks.values()) {
      ahead.passed = !places.has(ahead.place)
    }
  }

  /** So many links are remembered */
  countLinks (links: number): void {
    this.#links = links

    if (this.#account != null) {
      this.#account.force((links - this.#linksCounted) * PLACE_BYTES)
      this.#linksCounted = links
    }
  }

  clear (): void {
    this.#blocks.clear()
    this.#bytes = 0
    this.#links = 0
    this.#closeWhenEmpty()
  }

  #counted (): ReadAccount {
    this.#account ??= this.#init.budget.open()
    this.countLinks(this.#links)
    return this.#account
  }

  /** Who only keeps a session open takes nothing of the share of others */
  #closeWhenEmpty (): void {
    if (this.#blocks.size === 0) {
      this.#account?.close()
      this.#account = undefined
      this.#linksCounted = 0
    }
  }
}
