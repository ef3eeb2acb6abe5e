import { CustomProgressEvent } from 'progress-events'
import { peerIdFromString } from '@libp2p/peer-id'
import { anySignal } from 'any-signal'
import { raceSignal } from '../clock/race-signal.ts'
import { peerOfProvider } from '../provider/identity.ts'
import { toHeliaProvider, toPeerRecord } from '../provider/to-record.ts'
import { lookupOf } from './own-lookup.ts'
import type { ForeignLookupOptions, NodeLookups } from './node-lookups.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { Provider } from '../interface/provider.ts'
import type { HeliaProvider, PeerRecord } from '../provider/to-record.ts'
import type { PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'

/** What may be passed to `helia.routing.findProviders` and `libp2p.contentRouting.findProviders` */
export interface FindOptions extends ForeignLookupOptions {
  readonly useNetwork?: boolean
  onProgress? (event: never): void
}

export interface ForeignAnswersComponents {
  readonly lookups: Pick<NodeLookups, 'find'>
  readonly clock: Clock
  readonly log: Logger
  /** Where a peer's addresses are kept, so that it can be dialled by its id alone. May throw or return undefined while there is no node. */
  peerStore (): Pick<PeerStore, 'get' | 'merge'> | undefined
}

/** How Helia's events call who answers */
const NAME = 'content-routing'
/** Milliseconds for the peer store, which is a database: whoever looks up needs it less than the next name */
const STORE_TIMEOUT = 2_000

/** What others who look up through the node are told, in their words */
export class ForeignAnswers {
  readonly #components: ForeignAnswersComponents

  constructor (components: ForeignAnswersComponents) {
    this.#components = components
  }

  /** As Helia's routing: only those with addresses. Undefined for lookups of our own, and for those that may not use the network. */
  helia (cid: CID, options: FindOptions = {}): AsyncIterable<HeliaProvider> | undefined {
    return isForeign(options) ? this.#helia(cid, options) : undefined
  }

  /** As libp2p's content routing, which throws when it is aborted. Undefined where `helia` is. */
  libp2p (cid: CID, options: FindOptions = {}): AsyncIterable<PeerRecord> | undefined {
    return isForeign(options) ? this.#libp2p(cid, options) : undefined
  }

  async * #helia (cid: CID, options: FindOptions): AsyncGenerator<HeliaProvider, void, undefined> {
    const tell = options.onProgress as ((event: CustomProgressEvent<object>) => void) | undefined
    let found = 0

    tell?.(new CustomProgressEvent('helia:routing:find-providers:start', { router: NAME, cid }))
    try {
      for await (const provider of this.#components.lookups.find(cid, options)) {
        const record = toHeliaProvider(provider)

        if (record == null || !await this.#known(provider, record, options.signal)) {
          continue
        }
        found++
        tell?.(new CustomProgressEvent('helia:routing:find-providers:provider', { router: record.router, cid, provider: record }))
        yield record
      }
    } finally {
      tell?.(new CustomProgressEvent('helia:routing:find-providers:end', { router: NAME, cid, found }))
    }
  }

  async * #libp2p (cid: CID, options: FindOptions): AsyncGenerator<PeerRecord, void, undefined> {
    options.signal?.throwIfAborted()

    for await (const provider of this.#components.lookups.find(cid, options)) {
      const record = toPeerRecord(provider)

      if (record != null) {
        await this.#known(provider, record, options.signal)
        yield record
      }
    }
    options.signal?.throwIfAborted()
  }

  /** Tells the peer store what is told of a peer, and the other way round. @returns whether there is an address */
  async #known ({ id }: Provider, record: { multiaddrs: Multiaddr[] }, theirs?: AbortSignal): Promise<boolean> {
    const text = peerOfProvider(id)

    if (text != null) {
      using timeout = this.#components.clock.timeout(STORE_TIMEOUT)
      const signal = anySignal([theirs, timeout.signal])

      try {
        const peer = peerIdFromString(text)
        const store = this.#components.peerStore()

        if (record.multiaddrs.length > 0) {
          await raceSignal(Promise.resolve(store?.merge(peer, { multiaddrs: record.multiaddrs }, { signal })), signal)
        } else {
          record.multiaddrs = (await raceSignal(Promise.resolve(store?.get(peer, { signal })), signal))?.addresses.map(({ multiaddr }) => multiaddr) ?? []
        }
      } catch (err) {
        this.#components.log.trace('%s and the peer store - %e', id, err)
      } finally {
        signal.clear()
      }
    }
    return record.multiaddrs.length > 0
  }
}

function isForeign (options: FindOptions): boolean {
  return lookupOf(options) == null && options.useNetwork !== false
}
