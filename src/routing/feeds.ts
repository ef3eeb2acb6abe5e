import { blockKey } from '../block/key.ts'
import { DagFeed } from './dag-feed.ts'
import { MAX_KEYS } from './feed-plan.ts'
import { PresentParts } from './present-parts.ts'
import { RoutingRequest } from './request.ts'
import { StreamProviders } from './stream-providers.ts'
import type { FeedEnd } from './dag-feed.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { StreamCircle } from './stream-providers.ts'
import type { DisclosureEntry, Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey, Provider, ProviderId } from '../interface/provider.ts'
import type { WantedPart } from '../interface/routing.ts'

/** Bytes that must be left of a file: below it, asking for blocks is done before a stream has begun */
export const LEAST_STREAMED = 1_048_576

/** Bytes of one stream that may wait for readers: what a reader loads ahead of itself on a usual line, once more */
export const FEED_WINDOW = 4_194_304

/** The same for all streams of a manager: 16 with a full window. More share it, so that a crowd of slow readers holds no more. */
export const FEEDS_WINDOW = 67_108_864

/** Blocks that all streams keep track of, about 40 MB: 4 with as many as one may have. At 64 still 1 GiB of file in each. */
const FEEDS_KEYS = 262_144

/** Streams at once: each holds a connection, and at 64 still a window of 1 MiB */
const MAX_FEEDS = 64

/** What one block from a stream came with */
export interface Fed {
  readonly bytes: Uint8Array
  readonly provider: Provider
  readonly why: string
  /** Who was told of the DAG for that */
  readonly disclosed: readonly DisclosureEntry[]
}

/** A block that a stream has brought or will */
export interface Feeding {
  readonly provider: Provider
  /** Who need not be asked for the block as well */
  readonly answerer: ProviderId
  /** Where it comes from, for the story */
  readonly why: string
  /** Resolves with undefined as soon as it must be sought elsewhere */
  readonly block: Promise<Fed | undefined>
  /** Milliseconds until it is there, at the pace of late */
  eta (size: number): number
  /** Is there somebody else who could be asked? */
  others (): boolean
  /** Somebody else brought it first */
  lost (): void
}

export interface AheadInit extends StreamCircle {
  readonly part: WantedPart
  /** The block that is not here */
  readonly first: BlockKey
  /** The session that reads */
  readonly reader: string
  readonly priority: number
  readonly maxBytes: number
}

interface Entry {
  readonly feed: DagFeed
  readonly disclosed: readonly DisclosureEntry[]
  /** Of the reader who came last: it knows most providers */
  init: AheadInit
  /** First byte that its readers wanted: what is before the stream comes block by block */
  readonly from: number
  readonly resumed?: ProviderId
}

export interface DagFeedsInit {
  /** Each block that came and is what its CID says */
  onBlock (root: BlockKey, block: Block): void
  /** For the story of the root */
  tell (root: BlockKey, what: string, provider: ProviderId): void
}

/**
 * The streams that bring files to their readers: one provider sends the rest of
 * a file in one answer, where there is one that can, and everybody who reads it
 * takes from there. A stream that fails is resumed with another provider; what
 * streams do not bring is sought block by block.
 */
export class DagFeeds {
  readonly #env: RoutingEnvironment
  readonly #ledger: Ledger
  readonly #init: DagFeedsInit
  readonly #feeds = new Set<Entry>()
  readonly #providers: StreamProviders
  readonly #present = new PresentParts()
  #running = true
  #sequence = 0

  constructor (env: RoutingEnvironment, ledger: Ledger, init: DagFeedsInit) {
    this.#env = env
    this.#ledger = ledger
    this.#init = init
    this.#providers = new StreamProviders(env)
  }

  get size (): number {
    return this.#feeds.size
  }

  start (): void {
    this.#running = true
  }

  /** The block, if a stream has brought it or is about to; undefined when it must be sought */
  wait (key: BlockKey, mode: PrivacyMode, part?: WantedPart, signal?: AbortSignal): Feeding | undefined {
    const root = part == null ? undefined : blockKey(part.cid)

    for (const entry of this.#feeds) {
      const { feed } = entry
      const waiting = entry.init.mode === mode ? feed.buffer.wait(key, root === feed.dag.key && scopeOf(part) === feed.dag.scope ? part?.from : undefined, signal) : undefined

      if (waiting != null) {
        return this.#feeding(key, entry, waiting)
      }
    }
    return undefined
  }

  /** Somebody reads on in a file and a block was not there: joins the stream that will bring the rest, or begins one */
  ahead (init: AheadInit): void {
    const { part, mode, reader, first } = init
    const key = blockKey(part.cid)
    const rare = this.#present.missed(reader)

    if (part.to - part.from + 1 < LEAST_STREAMED) {
      return
    }

    for (const entry of this.#feeds) {
      const { feed, init: its, from } = entry
      const { dag, buffer } = feed

      if (its.mode === mode && dag.key === key && dag.scope === scopeOf(part) && from <= part.from && (dag.to ?? Infinity) >= part.to && (buffer.has(first) || (!feed.over && buffer.reaches(Math.max(dag.from ?? 0, part.from))))) {
        feed.readers.add(reader)
        entry.init = { ...init, part: its.part }
        return
      }
    }

    // a hole in what is here already is no reason to fetch the rest again
    if (!rare) {
      this.#begin(init, key, new Set([reader]))
    }
  }

  /** A block of a file was here when its reader came to it: when most are, nobody need send them */
  here (part: WantedPart | undefined, reader: string | undefined): void {
    if (part != null && reader != null && this.#present.found(reader)) {
      const key = blockKey(part.cid)
      this.#withdraw(reader, 'most of the rest is here already', ({ dag }) => dag.key === key)
    }
  }

  /** A reader left; the streams that nobody else reads end on the wire */
  leave (reader: string): void {
    this.#present.forget(reader)
    this.#withdraw(reader, 'the last reader left')
  }

  stop (): void {
    this.#running = false
    for (const entry of this.#feeds) {
      entry.feed.readers.clear()
      entry.feed.stop('content routing stops')
      this.#drop(entry)
    }
    this.#providers.clear()
    this.#present.clear()
  }

  #withdraw (reader: string, why: string, which: (feed: DagFeed) => boolean = () => true): void {
    for (const entry of this.#feeds) {
      const { feed } = entry

      if (which(feed) && feed.readers.delete(reader) && feed.readers.size === 0) {
        feed.stop(why)
        this.#drop(entry)
      }
    }
  }

  #feeding (key: BlockKey, entry: Entry, waiting: Promise<Uint8Array | undefined>): Feeding {
    const { feed, resumed, disclosed } = entry
    const { clock, stats } = this.#env
    const { provider } = feed.chosen
    const { dag } = feed
    return {
      provider,
      answerer: feed.answerer,
      why: `a stream of ${dag.cid} from ${provider.id}${resumed == null ? '' : `, which goes on where that from ${resumed} ended`}`,
      block: waiting.then(bytes => {
        if (bytes == null) {
          return undefined
        }
        feed.won()
        stats.streamBlocks++
        stats.streamBytes += bytes.byteLength
        stats.bytesDelivered += bytes.byteLength
        return { bytes, provider, disclosed, why: `came in a stream of ${dag.cid} from ${provider.id}, begun ${Math.round(clock.now() - feed.startedAt)} ms before` }
      }),
      eta: size => feed.eta(feed.buffer.distance(key, size)),
      others: () => this.#providers.others(feed.answerer, entry.init),
      lost: () => { feed.lost(key) }
    }
  }

  #begin (init: AheadInit, key: BlockKey, readers: ReadonlySet<string>, resumed?: ProviderId): void {
    const [reader] = readers
    const { part, mode, priority, maxBytes, first } = init
    const choice = reader == null || !this.#running || !this.#makeRoom() ? undefined : this.#providers.choose(key, part.to - part.from + 1, init)

    if (choice == null || reader == null || !this.#env.slots.tryAcquire(reader)) {
      return
    }

    const { stats, clock, slots } = this.#env
    const { because, chosen, fetcher, untried } = choice
    // it may well say no: meanwhile the first blocks come one by one, and none of them twice
    const from = untried && resumed == null ? Math.max(part.from, part.known ?? 0) : part.from

    if (from > part.from && part.to - from + 1 < LEAST_STREAMED) {
      slots.release(reader)
      return
    }

    const controller = new AbortController()
    const disclosed: DisclosureEntry[] = []
    const feed: DagFeed = new DagFeed({
      env: this.#env,
      dag: { cid: part.cid, key, scope: scopeOf(part), maxBytes, ...(part.whole === true ? {} : { from, to: part.to }) },
      first,
      chosen,
      fetcher,
      request: new RoutingRequest({ ledger: this.#ledger, clock }, {
        id: `f${++this.#sequence}`,
        purpose: 'read',
        mode,
        signal: controller.signal,
        key,
        client: reader,
        onDisclosed: disclosure => { disclosed.push(disclosure) },
        deadline: () => Infinity,
        priority: () => priority
      }),
      leastPace: own => this.#providers.leastPace(feed.answerer, entry.init, own),
      window: () => Math.min(FEED_WINDOW, part.window ?? Infinity, FEEDS_WINDOW / Math.max(1, this.#feeds.size)),
      maxKeys: () => Math.min(MAX_KEYS, FEEDS_KEYS / Math.max(1, this.#feeds.size)),
      onBlock: block => {
        init.group.delivered(chosen.provider, feed.answerer)
        this.#init.onBlock(key, block)
      },
      onEnd: (_feed, end) => {
        controller.abort()
        this.#env.slots.release(reader)
        this.#ended(entry, end)
      }
    })
    const entry: Entry = { feed, disclosed, init, from: part.from, resumed }
    readers.forEach(each => { feed.readers.add(each) })
    this.#feeds.add(entry)
    stats.streamsBegun++
    stats.streamsResumed += resumed == null ? 0 : 1
    this.#init.tell(key, `asked for ${part.whole === true ? 'all of it' : `bytes ${from} to ${part.to}`} as one stream (${because})${resumed == null ? '' : `, in place of ${resumed}`}`, chosen.provider.id)
    void feed.run()
  }

  #ended (entry: Entry, { outcome, why, helpful, front }: FeedEnd): void {
    const { feed, init } = entry
    const { key, to = Infinity } = feed.dag
    const { provider } = feed.chosen
    const ms = Math.round(this.#env.clock.now() - feed.startedAt)
    this.#init.tell(key, `the stream ended after ${ms} ms: ${outcome}, ${why}`, provider.id)

    if (!helpful && (outcome !== 'cancelled' || feed.readers.size > 0)) {
      this.#providers.failed(key, feed.answerer)
    }

    // a DAG would come from its root on once more: what is missing of it comes block by block
    if (front != null && front.at <= to && feed.readers.size > 0 && feed.dag.scope === 'entity') {
      this.#begin({ ...init, first: front.key, part: { ...init.part, from: front.at } }, key, feed.readers, provider.id)
    }

    this.#drop(entry)
  }

  /** What an ended stream brought stays until its readers leave, or another stream needs the room */
  #makeRoom (): boolean {
    if (this.#feeds.size >= MAX_FEEDS) {
      const ended = [...this.#feeds].find(({ feed }) => feed.over)

      if (ended != null) {
        ended.feed.readers.clear()
        this.#drop(ended)
      }
    }
    return this.#feeds.size < MAX_FEEDS
  }

  #drop (entry: Entry): void {
    const { feed } = entry

    if (feed.readers.size === 0) {
      this.#env.stats.bytesWasted += feed.buffer.bytes
      feed.buffer.clear()

      if (feed.over) {
        this.#feeds.delete(entry)
      }
    }
  }
}

function scopeOf (part: WantedPart | undefined): 'entity' | 'all' {
  return part?.whole === true ? 'all' : 'entity'
}
