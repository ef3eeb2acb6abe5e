import { withOwnSignal } from '../../clock/own-signal.ts'
import { diverse, noNetworks } from './diverse.ts'
import { kadKey } from './kad-key.ts'
import { Namings } from './namings.ts'
import { WalkRun } from './walk-run.ts'
import type { NetworksOf } from './diverse.ts'
import type { KadClient, KadPeer, KadRequestOptions } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'
import type { PeerTiming } from './peer-timing.ts'
import type { WalkParams } from './walk.ts'
import type { Asks, WalkProgress, WalkResult } from './walk-run.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure, DisclosureInit } from '../../interface/disclosure.ts'
import type { CID } from 'multiformats/cid'

/** As the network has it: records lie with the twenty nearest */
export const DEFAULT_K = 20
/** The k nearest at once, and as many again in the stead of those who will not answer: kad-dht asks up to two hundred, and any of them may be the first who names a provider */
export const DEFAULT_CONCURRENCY = 40
/** Three times what a lookup of the public network asks: what is beyond is made up */
export const DEFAULT_MAX_ASKED = 200
/** Peers of the table that a walk begins with, times k: they take the places of those of the k that give no answer */
const STARTING = 3
/** Times as many of the table are looked at, and of one network so many taken: its owner may have filled the part of the table around a key */
const LOOKED_AT = 4
const STARTING_OF_NETWORK = 8
export interface WalkerComponents {
  readonly clock: Clock
  readonly client: KadClient
  /** Whom to begin with */
  readonly table: { nearest (key: KadKey, count: number): readonly KadPeer[] }
  readonly timing: PeerTiming
  /** What a peer shares with others. @default nobody shares anything */
  readonly networksOf?: NetworksOf
}

export type WalkerInit = Partial<WalkParams>

/** The part of a `Request` that a lookup needs */
export interface Discloses {
  disclose (init: DisclosureInit): Disclosure
  note? (what: string): void
}

export interface WalkOptions {
  /** Ends the walk, which rejects with its reason */
  readonly signal: AbortSignal
  onProgress? (event: WalkProgress): void
}

export interface FindClosestOptions extends WalkOptions {
  /** Needed where the key is that of a block: each peer that is asked learns of it */
  readonly request?: Discloses
}

export interface WalkForProvidersOptions extends WalkOptions {
  readonly request: Discloses
  /** Others are asked behind this: those who were held are its `rest`. @default they are named at the end */
  readonly namings?: Namings
}

/** Walks the DHT. Dead peers cost it almost nothing, whether known or not. */
export class Walker {
  readonly #components: WalkerComponents
  readonly #params: WalkParams
  readonly #networksOf: NetworksOf

  constructor (components: WalkerComponents, init: WalkerInit = {}) {
    this.#components = components
    this.#params = { k: init.k ?? DEFAULT_K, concurrency: init.concurrency ?? DEFAULT_CONCURRENCY, maxAsked: init.maxAsked ?? DEFAULT_MAX_ASKED }
    this.#networksOf = components.networksOf ?? noNetworks
  }

  /**
   * Everybody who is said to have the block, as soon as somebody says it; a peer
   * is named again, a few times, with addresses that were not told before: who
   * names it first may have made them up. Of one network a few are named at
   * first, the others when the nearest peers have answered: it must not be all
   * that the reader has room for. Throws a `WalkFailedError` when nobody answered.
   */
  findProviders (cid: CID, options: WalkForProvidersOptions): AsyncGenerator<KadPeer, void, undefined> {
    const { request } = options
    const multihash = cid.multihash.bytes
    const ask: Asks = async (peer, asked) => this.#components.client.getProviders(peer, multihash, disclosure(request, peer), asked)

    return withOwnSignal(signal => this.#stream(multihash, ask, { ...options, signal }), options.signal)
  }

  /**
   * The k nearest to a key that answer.
   *
   * @param preimage - what is hashed to the key: a multihash, the bytes of a peer id, or anything
   */
  async findClosest (preimage: Uint8Array, options: FindClosestOptions): Promise<WalkResult> {
    const { request } = options
    const ask: Asks = async (peer: KadPeer, asked: KadRequestOptions) =>
      this.#components.client.findNode(peer, preimage, request == null ? undefined : disclosure(request, peer), asked)

    return this.#run(preimage, ask, options).result
  }

  async * #stream (multihash: Uint8Array, ask: Asks, options: Omit<WalkForProvidersOptions, 'request'>): AsyncGenerator<KadPeer, void, undefined> {
    const namings = options.namings ?? new Namings()
    const found: KadPeer[] = []
    let wake = (): void => {}
    let over = false

    const run = this.#run(multihash, async (peer, asked) => {
      let at: Pick<KadPeer, 'addresses'> = peer
      const answer = await ask(peer, {
        ...asked,
        onReached: reach => {
          at = reach.from == null ? peer : { addresses: [reach.from] }
          asked.onReached?.(reach)
        }
      })

      found.push(...namings.answered(answer.providers, peer.id, this.#networksOf(at)))
      wake()
      return answer
    }, options)
    const ended = run.result.finally(() => {
      over = true
      wake()
    })
    // it is looked at when everything was read
    ended.catch(() => {})

    for (;;) {
      yield * found.splice(0)

      if (found.length === 0) {
        if (over) {
          await ended
          yield * options.namings == null ? namings.rest() : []
          return
        }
        await new Promise<void>(resolve => { wake = resolve })
      }
    }
  }

  #run (preimage: Uint8Array, ask: Asks, { signal, onProgress }: WalkOptions): WalkRun {
    const { clock, timing, table } = this.#components
    const networksOf = this.#networksOf
    const target = kadKey(preimage)
    const count = STARTING * this.#params.k
    const start = diverse(table.nearest(target, LOOKED_AT * count), networksOf, STARTING_OF_NETWORK).slice(0, count)

    return new WalkRun({ clock, timing, networksOf, ask, signal, onProgress }, target, this.#params, start)
  }
}

function disclosure (request: Discloses, { id }: KadPeer): Disclosure {
  return request.disclose({ observer: `p2p:${id}`, form: 'multihash', transport: 'dht', audience: 'one' })
}
