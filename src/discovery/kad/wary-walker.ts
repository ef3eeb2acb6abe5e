import { withOwnSignal } from '../../clock/own-signal.ts'
import { compareDistance, kadKey } from './kad-key.ts'
import { preimageIn } from './key-search.ts'
import { Namings } from './namings.ts'
import { NetworkSize } from './network-size.ts'
import type { KadClient, KadPeer } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'
import type { RegionDensity } from './network-size.ts'
import type { Discloses, FindClosestOptions, WalkOptions, Walker } from './walker.ts'
import type { WalkResult } from './walk-run.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CID } from 'multiformats/cid'

/** Honest peers, at least, in the part of the keyspace that is asked when the nearest look made up: records lie with the twenty nearest of them */
const REGION = 32
/** Walks through it: beside the key lies half of the region, a quarter, an eighth; what is left are four peers */
const SIDES = 3
/** Peers that these may name: three times twenty */
const MAX_ASKED = 60
/** Requests of it at a time */
const CONCURRENCY = 20
/** Milliseconds: all of them have just answered */
const PATIENCE = 5_000

export interface RegionStats {
  /** Peers in the DHT, as the distances of those have it that lookups found; undefined until there are enough */
  readonly networkSize: number | undefined
  /** Lookups with more peers near their key than there are by chance */
  readonly denseRegions: number
}

export interface WaryWalkerComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly client: Pick<KadClient, 'getProviders'>
  readonly walker: Pick<Walker, 'findProviders' | 'findClosest'>
  /** Shared by walkers of one network. @default its own */
  readonly size?: NetworkSize
}

export type FindProvidersOptions = WalkOptions & { readonly request: Discloses }

/**
 * A walker that looks at whom its lookups end with. Where there are more of them than there can be,
 * somebody has probably made up ids to be the only ones who are asked: then the
 * peers around them are asked, too, who would keep the records without them.
 */
export class WaryWalker {
  readonly #components: WaryWalkerComponents
  readonly #size: NetworkSize
  #dense = 0

  constructor (components: WaryWalkerComponents) {
    this.#components = components
    this.#size = components.size ?? new NetworkSize()
  }

  stats (): RegionStats {
    const size = this.#size.estimate
    return { networkSize: size == null ? undefined : Math.round(size), denseRegions: this.#dense }
  }

  /** As a walker does; what it finds counts for the estimate */
  async findClosest (preimage: Uint8Array, options: FindClosestOptions, walker: Pick<Walker, 'findClosest'> = this.#components.walker): Promise<WalkResult> {
    const result = await walker.findClosest(preimage, options)
    this.#learn(kadKey(preimage), result)
    return result
  }

  /** As a walker does; where the nearest look made up, those around them are asked behind */
  async * findProviders (cid: CID, options: FindProvidersOptions): AsyncGenerator<KadPeer, void, undefined> {
    const { walker, log } = this.#components
    const target = kadKey(cid.multihash.bytes)
    const asked = new Set<string>()
    const namings = new Namings()
    let result: WalkResult | undefined

    yield * walker.findProviders(cid, {
      ...options,
      namings,
      onProgress: event => {
        if (event.phase === 'ask') {
          asked.add(event.peer)
        } else if (event.phase === 'end') {
          result = event.result
        }
        options.onProgress?.(event)
      }
    })
    const density = result == null ? undefined : this.#size.dense(target, result.closest.map(({ key }) => key))

    if (result != null) {
      this.#learn(target, result)
    }
    if (density != null) {
      this.#dense++
      log('%s', told(cid, density))
      options.request.note?.(told(cid, density))
      yield * withOwnSignal(signal => this.#around(cid, target, { asked, namings }, { ...options, signal }), options.signal)
    }
    // those near the key may have named more than there is room for
    yield * namings.rest()
  }

  #learn (target: KadKey, { end, closest }: WalkResult): void {
    if (end === 'settled') {
      this.#size.add(target, closest.map(({ key }) => key))
    }
  }

  /**
   * A peer that is asked for the key names those whom it takes for the nearest,
   * and these are made up. Asked for keys beside it, it names others.
   */
  async * #around (cid: CID, target: KadKey, { asked, namings }: { readonly asked: ReadonlySet<string>, readonly namings: Namings }, options: FindProvidersOptions): AsyncGenerator<KadPeer, void, undefined> {
    const { random, log, walker } = this.#components
    const bits = Math.max(0, Math.floor(Math.log2((this.#size.estimate ?? 0) / REGION)))
    const found = new Map<string, KadPeer>()

    await Promise.all(Array.from({ length: SIDES }, async (_, i) => {
      const preimage = preimageIn(beside(target, bits + i), bits + i + 1, random)

      if (preimage == null) {
        return
      }
      try {
        const { closest } = await walker.findClosest(preimage, {
          signal: options.signal,
          // a key beside that of the block: whoever is asked learns where it is
          request: { disclose: init => options.request.disclose({ ...init, form: 'prefix' }) }
        })
        closest.filter(({ id }) => !asked.has(id)).forEach(peer => { found.set(peer.id, peer) })
      } catch (err) {
        options.signal.throwIfAborted()
        log('could not look beside %c - %e', cid, err)
      }
    }))
    const others = [...found.values()].sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, MAX_ASKED)

    for (let i = 0; i < others.length; i += CONCURRENCY) {
      const answers = await Promise.all(others.slice(i, i + CONCURRENCY).map(async peer => namings.answered(await this.#ask(peer, cid, options), peer.id, [])))
      yield * answers.flat()
    }
  }

  async #ask (peer: KadPeer, cid: CID, { signal, request }: FindProvidersOptions): Promise<readonly KadPeer[]> {
    const { clock, client, log } = this.#components
    using patience = clock.timeout(PATIENCE)

    try {
      const disclosure = request.disclose({ observer: `p2p:${peer.id}`, form: 'multihash', transport: 'dht', audience: 'one' })
      const { providers } = await client.getProviders(peer, cid.multihash.bytes, disclosure, { signal: AbortSignal.any([signal, patience.signal]) })
      return providers
    } catch (err) {
      signal.throwIfAborted()
      log('%s gave no answer - %e', peer.id, err)
      return []
    }
  }
}

/** The key with this bit the other way: what shares just so many bits with it */
function beside (key: KadKey, bit: number): KadKey {
  return key.map((byte, i) => i === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte)
}

function told (cid: CID, { peers, expected, chance }: RegionDensity): string {
  return `${peers} peers answered so near to ${cid.toString()} where ${expected.toPrecision(2)} are to be expected, by chance in one lookup of ${(1 / chance).toPrecision(2)}: those around them are asked too`
}
