import { LRUCache } from 'lru-cache'
import { blockKey } from '../block/key.ts'
import { Candidates } from './candidates.ts'
import { DagFeed } from './dag-feed.ts'
import { sizeClass } from './latency-window.ts'
import { RoutingRequest } from './request.ts'
import { selectProvider } from './select.ts'
import type { ProviderGroup } from './affinity.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { CandidateView } from './select.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey, Provider } from '../interface/provider.ts'
import type { WantedPart } from '../interface/routing.ts'

/** Bytes that must be left of a file: below it, asking for blocks is done before a stream has begun */
export const LEAST_STREAMED = 1_048_576

/** Streams at once: each holds a connection and up to `FEED_WINDOW` */
const MAX_FEEDS = 64

/** Roots whose providers of streams are remembered as having failed */
const MAX_ROOTS = 1_000

/** Ways tried one after the other before blocks are asked for instead */
const MAX_TRIES = 3

/** What one block from a stream came with */
export interface Fed {
  readonly bytes: Uint8Array
  readonly provider: Provider
  readonly why: string
}

export interface AheadInit {
  readonly part: WantedPart
  readonly mode: PrivacyMode
  /** The session that reads */
  readonly reader: string
  readonly hints: readonly Provider[]
  readonly group: ProviderGroup
  readonly priority: number
  readonly maxBytes: number
}

interface Entry {
  readonly feed: DagFeed
  readonly mode: PrivacyMode
}

/**
 * The streams that bring files to their readers: one provider sends the rest of
 * a file in one answer, where there is one that can, and everybody who reads it
 * takes from there. Whatever a stream does not bring is sought block by block.
 */
export class DagFeeds {
  readonly #env: RoutingEnvironment
  readonly #ledger: Ledger
  readonly #feeds = new Set<Entry>()
  /** Providers whose stream of a root was no help */
  readonly #failed: LRUCache<BlockKey, Set<string>>
  readonly #onBlock: (root: BlockKey, block: Block) => void
  #sequence = 0

  /** @param onBlock told about each block that came and is what its CID says */
  constructor (env: RoutingEnvironment, ledger: Ledger, onBlock: (root: BlockKey, block: Block) => void) {
    this.#env = env
    this.#ledger = ledger
    this.#onBlock = onBlock
    this.#failed = new LRUCache({ max: MAX_ROOTS })
  }

  get size (): number {
    return this.#feeds.size
  }

  /** The block, if a stream has brought it or is about to; undefined, now or later, when it must be sought */
  wait (key: BlockKey, mode: PrivacyMode, signal?: AbortSignal): Promise<Fed | undefined> | undefined {
    for (const entry of this.#feeds) {
      const { feed } = entry
      const waiting = entry.mode === mode ? feed.buffer.wait(key, signal) : undefined

      if (waiting != null) {
        const { provider } = feed.chosen
        this.#drop(entry)
        return waiting.then(bytes => bytes == null ? undefined : { bytes, provider, why: `came in a stream of ${feed.dag.cid} from ${provider.id}` })
      }
    }
    return undefined
  }

  /** Somebody reads on in a file and a block was not there: joins the stream that will bring the rest, or begins one */
  ahead (init: AheadInit): void {
    const { part, mode, reader } = init
    const key = blockKey(part.cid)

    if (part.to - part.from + 1 < LEAST_STREAMED) {
      return
    }

    for (const { feed, mode: its } of this.#feeds) {
      const { dag } = feed

      if (!feed.over && its === mode && dag.key === key && (dag.from ?? 0) <= part.from && (dag.to ?? Infinity) >= part.to) {
        feed.readers.add(reader)
        return
      }
    }

    if (this.#feeds.size < MAX_FEEDS) {
      this.#begin(init, key)
    }
  }

  /** A reader left; the streams that nobody else reads end on the wire */
  leave (reader: string): void {
    for (const entry of this.#feeds) {
      const { feed } = entry

      if (feed.readers.delete(reader) && feed.readers.size === 0) {
        feed.stop('the last reader left')
        feed.buffer.clear()
        this.#drop(entry)
      }
    }
  }

  stop (): void {
    for (const entry of this.#feeds) {
      entry.feed.readers.clear()
      entry.feed.stop('content routing stops')
      entry.feed.buffer.clear()
      this.#drop(entry)
    }
    this.#failed.clear()
  }

  #begin (init: AheadInit, key: BlockKey): void {
    const { part, mode, reader, maxBytes } = init
    const failed = this.#failed.get(key)

    if ((failed?.size ?? 0) >= MAX_TRIES) {
      return
    }

    const candidates = this.#candidates(init)
    const views = candidates.views(this.#env.clock.now()).filter(({ provider }) => failed?.has(provider.id) !== true)
    const { chosen } = selectProvider({
      candidates: views,
      size: part.to - part.from + 1,
      activeDomains: new Set(),
      allowFallback: false,
      // whoever has not delivered yet begins with a block
      strangers: 'last',
      random: this.#env.random
    }, this.#env.params.select)
    const fetcher = chosen == null ? undefined : candidates.fetcher(chosen)

    // the best way may well be one block at a time
    if (chosen == null || fetcher?.stream == null || chosen.view.successes === 0 || !this.#env.slots.tryAcquire(reader)) {
      return
    }

    const id = `f${++this.#sequence}`
    const controller = new AbortController()
    const feed: DagFeed = new DagFeed({
      env: this.#env,
      dag: { cid: part.cid, key, scope: 'entity', from: part.from, to: part.to, maxBytes },
      chosen,
      fetcher,
      request: new RoutingRequest({ ledger: this.#ledger, clock: this.#env.clock }, {
        id,
        purpose: 'prefetch',
        mode,
        signal: controller.signal,
        key,
        client: reader,
        deadline: () => Infinity,
        priority: () => init.priority
      }),
      usualTransfer: this.#env.windows.transfers[sizeClass(USUAL_BLOCK)]?.quantile(0.9, 3),
      onBlock: block => { this.#onBlock(key, block) },
      onEnd: (_feed, outcome) => {
        if (outcome !== 'delivered' && outcome !== 'cancelled') {
          this.#remember(key, chosen)
        }
        controller.abort()
        this.#env.slots.release(reader)
        this.#drop(entry)
      }
    })
    const entry: Entry = { feed, mode }
    feed.readers.add(reader)
    this.#feeds.add(entry)
    void feed.run()
  }

  #candidates ({ hints, group, mode }: AheadInit): Candidates {
    const candidates = new Candidates({
      ...this.#env,
      mode,
      group,
      onUnusable: () => {},
      onBroken: (fetcher, err) => { this.#env.log.error('fetcher %s failed to say whom it can ask - %e', fetcher.name, err) }
    })

    for (const { provider } of group.members) {
      candidates.add(provider)
    }
    for (const provider of hints) {
      candidates.add(provider)
    }
    return candidates
  }

  /** An ended stream stays until what it brought was taken */
  #drop (entry: Entry): void {
    if (entry.feed.over && (entry.feed.buffer.bytes === 0 || entry.feed.readers.size === 0)) {
      this.#feeds.delete(entry)
    }
  }

  #remember (key: BlockKey, { provider }: CandidateView): void {
    const failed = this.#failed.get(key) ?? new Set()
    failed.add(provider.id)
    this.#failed.set(key, failed)
  }
}

/** What transfers are compared by */
const USUAL_BLOCK = 262_144
