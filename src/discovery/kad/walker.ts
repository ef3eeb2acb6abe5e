import { withOwnSignal } from '../../clock/own-signal.ts'
import { kadKey } from './kad-key.ts'
import { WalkRun } from './walk-run.ts'
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
/** All of the k nearest at once, and those in the stead of a third of them: kad-dht asks up to a hundred, and any of them may be the first who names a provider */
export const DEFAULT_CONCURRENCY = 30
/** Three times what a lookup of the public network asks: what is beyond is made up */
export const DEFAULT_MAX_ASKED = 200
/** Peers of the table that a walk begins with, times k: they take the places of those of the k that give no answer */
const STARTING = 3
/** Different providers that one lookup names: Kubo stops at 20 by default, twenty peers keep records */
const MAX_PROVIDERS = 1_000
/** Times that a provider is named with addresses. Of four the best address of each is among the eight that a merge keeps, of five it need not be. */
const MAX_NAMED = 4

export interface WalkerComponents {
  readonly clock: Clock
  readonly client: KadClient
  /** Whom to begin with */
  readonly table: { nearest (key: KadKey, count: number): readonly KadPeer[] }
  readonly timing: PeerTiming
}

export type WalkerInit = Partial<WalkParams>

/** The part of a `Request` that a lookup needs */
export interface Discloses {
  disclose (init: DisclosureInit): Disclosure
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

/** Walks the DHT. Dead peers cost it almost nothing, whether known or not. */
export class Walker {
  readonly #components: WalkerComponents
  readonly #params: WalkParams

  constructor (components: WalkerComponents, init: WalkerInit = {}) {
    this.#components = components
    this.#params = { k: init.k ?? DEFAULT_K, concurrency: init.concurrency ?? DEFAULT_CONCURRENCY, maxAsked: init.maxAsked ?? DEFAULT_MAX_ASKED }
  }

  /**
   * Everybody who is said to have the block, as soon as somebody says it; a peer
   * is named again, a few times, with addresses that were not told before: who
   * names it first may have made them up. Ends when the nearest peers have
   * answered. Throws a `WalkFailedError` when nobody did.
   */
  findProviders (cid: CID, options: WalkOptions & { readonly request: Discloses }): AsyncGenerator<KadPeer, void, undefined> {
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

  async * #stream (multihash: Uint8Array, ask: Asks, options: WalkOptions): AsyncGenerator<KadPeer, void, undefined> {
    const known = new Map<string, Named>()
    const found: KadPeer[] = []
    let wake = (): void => {}
    let over = false

    const run = this.#run(multihash, async (peer, asked) => {
      const answer = await ask(peer, asked)

      found.push(...answer.providers.map(provider => news(provider, known)).filter(provider => provider != null))
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
          return
        }
        await new Promise<void>(resolve => { wake = resolve })
      }
    }
  }

  #run (preimage: Uint8Array, ask: Asks, { signal, onProgress }: WalkOptions): WalkRun {
    const { clock, timing, table } = this.#components
    const target = kadKey(preimage)
    return new WalkRun({ clock, timing, ask, signal, onProgress }, target, this.#params, table.nearest(target, STARTING * this.#params.k))
  }
}

interface Named {
  readonly addresses: Set<string>
  times: number
}

/** What was not told of it before, if anything */
function news (provider: KadPeer, known: Map<string, Named>): KadPeer | undefined {
  const before = known.get(provider.id)
  const addresses = provider.addresses.filter(address => before?.addresses.has(address) !== true)
  const times = Math.sign(addresses.length)

  if (before == null) {
    if (known.size >= MAX_PROVIDERS) {
      return undefined
    }
    known.set(provider.id, { addresses: new Set(addresses), times })
    return provider
  }

  if (addresses.length === 0 || before.times >= MAX_NAMED) {
    return undefined
  }
  before.times += times
  addresses.forEach(address => { before.addresses.add(address) })
  return { ...provider, addresses }
}

function disclosure (request: Discloses, { id }: KadPeer): Disclosure {
  return request.disclose({ observer: `p2p:${id}`, form: 'multihash', transport: 'dht', audience: 'one' })
}
