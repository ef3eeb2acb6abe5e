import { linksOf } from '../block/links.ts'
import { DEFAULT_MAX_WINDOW } from '../block/read-window.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { BlocksAhead } from './blocks-ahead.ts'
import { DagOutline } from './dag-outline.ts'
import type { BlockAhead, BlocksAheadInit } from './blocks-ahead.ts'
import type { Place } from './dag-outline.ts'
import type { SessionOptions, WantedPart } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** Three quarters of what one provider is asked for at once by default: the rest is for those who wait */
const MAX_IN_FLIGHT = 24

/** How many before anything has arrived: sizes are guesses so far, and a reader of one block wants no more */
const FIRST_IN_FLIGHT = 4

/** Links of one block: of the widest in use, 1 024, and twice that */
const MAX_LINKS = 2_048

/** What a block weighs where neither a link nor another of its codec tells: the usual UnixFS leaf */
const USUAL_BLOCK = 262_144

/** A block this much larger than was expected says that the others may be so too: asked for a few at a time again */
const LIED = 2

/** How fast the largest block seen is forgotten: half after five smaller ones */
const FORGETTING = 8

/** After so many failures in a row nothing is wanted ahead until the reader has had more luck, and then one at a time */
const MAX_FAILURES = 3

const RAW_CODE = 0x55

const LEFT = new DOMException('The reader has left', 'AbortError')

/** What nobody was able to deliver; other errors are about the block itself */
const FRUITLESS = new Set(['NotFoundError', 'RetrievalFailedError', 'RetrievalTimeoutError'])

export interface SessionPrefetchInit extends BlocksAheadInit {
  /** The block is in the store. Only asked about leaves, of which nothing else is wanted. */
  has (cid: CID, signal: AbortSignal): Promise<boolean>
  fetch (cid: CID, options: { signal: AbortSignal, needed: Promise<void>, part?: WantedPart }): Promise<Uint8Array>
  /** What is read, where it may come as one stream */
  readonly whole?: WantedPart
}

/** The window that a session's option asks for; undefined when it asks for none */
export function prefetchWindow (option: SessionOptions['prefetch']): number | undefined {
  if (option == null || option === false) {
    return undefined
  }

  if (option !== true && typeof option !== 'object') {
    throw new InvalidOptionError(`prefetch must be true, false or { window }, got ${quote(option)}`)
  }

  const { window = DEFAULT_MAX_WINDOW } = option === true ? {} : option

  if (!Number.isSafeInteger(window) || window < 1) {
    throw new InvalidOptionError(`prefetch.window must be a whole number of bytes from 1, got ${quote(window)}`)
  }

  return window
}

/**
 * Wants ahead what the blocks that a session has read link to, and what those link
 * to in turn, in document order from where the reader is. Each is wanted once, in one
 * flight with whoever reads it; of those behind the reader none is wanted any more.
 */
export class SessionPrefetch {
  readonly #init: SessionPrefetchInit
  readonly #outline = new DagOutline()
  readonly #ahead: BlocksAhead
  /** The largest of the blocks seen lately, by codec */
  readonly #sizes = new Map<number, number>()
  #controller = new AbortController()
  #reader?: AbortSignal
  #inFlight = 0
  #arrived = 0
  #failures = 0
  #paused = false
  #closed = false

  constructor (init: SessionPrefetchInit) {
    this.#init = init
    this.#ahead = new BlocksAhead(init)
  }

  /** The reader asks for a block: gives it when it is waiting here */
  asked (cid: CID, signal?: AbortSignal): Uint8Array | undefined {
    if (this.#closed) {
      return undefined
    }

    if (signal?.aborted === true) {
      this.pause()
      return undefined
    }

    this.#paused = false
    this.#init.window.goesOn()
    this.#follow(signal)
    const { place, straight } = this.#outline.moveTo(cid)
    const ahead = this.#ahead.get(place.key)

    if (!straight) {
      this.#ahead.follow(new Set(this.#outline.ahead()))
    }

    if (ahead?.here !== true) {
      this.#init.window.waited()
      ahead?.need()
    }

    if (ahead != null) {
      this.#ahead.drop(ahead)
    }

    this.#fill()
    return ahead?.block
  }

  /** What a block is read for: the rest of the DAG, if what was read so far links to it */
  part (cid: CID): WantedPart | undefined {
    return this.#outline.find(cid)?.node.beside === false ? this.#init.whole : undefined
  }

  /** The reader has a block that it asked for */
  read (cid: CID, bytes: Uint8Array): void {
    const place = this.#closed ? undefined : this.#outline.find(cid)

    if (place != null) {
      this.#failures = Math.min(this.#failures, MAX_FAILURES - 1)
      this.#open(place, bytes)
      this.#fill()
    }
  }

  /** Nothing more until the next read */
  pause (): void {
    this.#paused = true
    this.#controller.abort(LEFT)
    this.#controller = new AbortController()
    this.#ahead.dropInFlight()
  }

  close (): void {
    if (!this.#closed) {
      this.#closed = true
      this.pause()
      this.#follow(undefined)
      this.#ahead.clear()
      this.#outline.clear()
    }
  }

  /** Between two reads nobody else would tell that the reader has left */
  #follow (signal: AbortSignal | undefined): void {
    if (signal !== this.#reader) {
      this.#reader?.removeEventListener('abort', this.#onLeave)
      this.#reader = signal
      signal?.addEventListener('abort', this.#onLeave, { once: true })
    }
  }

  readonly #onLeave = (): void => { this.pause() }

  #fill (): void {
    if (this.#closed || this.#paused) {
      return
    }

    for (const place of this.#outline.ahead()) {
      if (this.#inFlight >= this.#mayFly) {
        return
      }

      if (!place.read && !place.wanted) {
        const bytes = this.#expected(place)

        if (!this.#ahead.hasRoom(bytes)) {
          return
        }

        void this.#want(place, bytes)
      }
    }
  }

  get #mayFly (): number {
    if (this.#failures > 0) {
      return this.#failures < MAX_FAILURES ? 1 : 0
    }

    return Math.min(MAX_IN_FLIGHT, FIRST_IN_FLIGHT + this.#arrived)
  }

  #expected ({ cid: { code }, size }: Place): number {
    const usual = this.#sizes.get(code)
    // what is said of a node is meant of all that is below it
    return size == null ? usual ?? USUAL_BLOCK : code === RAW_CODE ? size : Math.min(size, usual ?? size)
  }

  async #want (place: Place, bytes: number): Promise<void> {
    const { signal } = this.#controller
    const { promise: needed, resolve: need } = Promise.withResolvers<void>()
    const ahead = this.#ahead.add(place, bytes, need)
    place.wanted = true
    this.#inFlight++

    try {
      const block = await this.#load(place.cid, signal, needed)

      if (block == null) {
        this.#ahead.drop(ahead)
      } else if (!signal.aborted) {
        this.#arrive(ahead, block)
      }
    } catch (err) {
      // the reader will hear of it when it comes here
      this.#ahead.drop(ahead)
      this.#failures += !signal.aborted && FRUITLESS.has((err as Error).name) ? 1 : 0
    }

    this.#inFlight--
    this.#fill()
  }

  /** Undefined for a leaf that is in the store already */
  async #load (cid: CID, signal: AbortSignal, needed: Promise<void>): Promise<Uint8Array | undefined> {
    if (cid.code === RAW_CODE && !this.#init.keeps && await raceSignal(this.#init.has(cid, signal), signal)) {
      return undefined
    }

    const arrived = this.#init.window.ask()
    const block = await this.#init.fetch(cid, { signal, needed, part: this.#init.whole })
    arrived(block.byteLength)
    return block
  }

  #arrive (ahead: BlockAhead, block: Uint8Array): void {
    this.#failures = 0
    this.#arrived = block.byteLength > LIED * ahead.bytes ? 0 : this.#arrived + 1
    this.#ahead.arrive(ahead, block)
    this.#open(ahead.place, block)
  }

  #open (place: Place, bytes: Uint8Array): void {
    const { cid } = place
    const usual = this.#sizes.get(cid.code) ?? 0
    this.#sizes.set(cid.code, Math.max(bytes.byteLength, Math.ceil(usual - (usual - bytes.byteLength) / FORGETTING)))

    if (place.child == null && cid.code !== RAW_CODE) {
      this.#outline.open(place, linksOf(cid, bytes, MAX_LINKS))
      this.#ahead.countLinks(this.#outline.size)
    }
  }
}
