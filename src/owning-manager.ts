import { CID } from 'multiformats/cid'
import { blockKey } from './block/key.ts'
import { ContentRoutingManager } from './routing/manager.ts'
import type { RestartableTransport } from './exchange/http/restartable-transport.ts'
import type { NodeLedger } from './composed-ledger.ts'
import type { NodeAddresses } from './node-addresses.ts'
import type { ComposedLookups } from './composed-lookups.ts'
import type { ExchangeLibp2p, PeerExchange } from './exchange/peer-exchange.ts'
import type { TransferCounts } from './exchange/transfer-counts.ts'
import type { ReadableLedger } from './interface/ledger.ts'
import type { HolePunching } from './exchange/lease/hole-punching.ts'
import type { ModeStats } from './interface/privacy-preset.ts'
import type { ContentRoutingStats, ExchangeStats, RouterStats } from './interface/stats.ts'

export interface Owned {
  readonly ledger: NodeLedger
  readonly transport: RestartableTransport
  readonly transfers: TransferCounts
  readonly exchange?: PeerExchange
  /** Those that are asked over HTTP */
  readonly routers: ReadonlyArray<{ stats (): RouterStats }>
  /** Who has a block, according to the node's own routers */
  readonly lookups?: Pick<ComposedLookups, 'start' | 'stop' | 'forget' | 'stats'>
  /** Where providers are; absent where there is no libp2p node */
  readonly addresses?: Pick<NodeAddresses, 'start' | 'stop' | 'stats'>
  /** What the mode is, and where it is otherwise */
  readonly mode: ModeStats
  /** Rests while content routing runs; absent where the mode lets it be */
  readonly punching?: HolePunching
  /** Present where nobody else starts `exchange` */
  readonly libp2p?: ExchangeLibp2p
}

/** Content routing with what it owns: pools and streams open with it and do not survive its stop */
export class OwningManager extends ContentRoutingManager {
  readonly #owned: Owned

  constructor (owned: Owned, ...args: ConstructorParameters<typeof ContentRoutingManager>) {
    super(...args)
    this.#owned = owned
  }

  /** Who learnt what; absent where nobody writes it down, or somebody else's ledger only can */
  get ledger (): ReadableLedger | undefined {
    return this.#owned.ledger.readable
  }

  override async start (): Promise<void> {
    const { ledger, transport, exchange, lookups, addresses, libp2p, punching } = this.#owned
    await ledger.own?.start()
    transport.open()
    await punching?.pause()
    await addresses?.start()
    await lookups?.start()
    await super.start()

    if (libp2p != null) {
      await exchange?.start(libp2p)
    }
  }

  override async stop (): Promise<void> {
    const { ledger, transport, exchange, lookups, addresses, libp2p, punching } = this.#owned

    try {
      await super.stop()
    } finally {
      await lookups?.stop()
      await addresses?.stop()
      if (libp2p != null) {
        await exchange?.stop()
      }
      await punching?.resume()
      await transport.close()
      await ledger.own?.stop()
    }
  }

  /** Whoever waits for one of them over bitswap is answered too */
  override async announce (cids: CID | Iterable<CID> | AsyncIterable<CID>, options?: { signal?: AbortSignal }): Promise<void> {
    const { exchange, lookups } = this.#owned
    const list = CID.asCID(cids) == null ? cids as Iterable<CID> | AsyncIterable<CID> : [cids as CID]

    await super.announce(eachTold(list, cid => {
      exchange?.arrived(cid)
      lookups?.forget(blockKey(cid))
    }), options)
  }

  override stats (): ContentRoutingStats {
    const { addresses, lookups, routers, mode } = this.#owned
    return {
      ...super.stats(),
      mode,
      ...this.ledger == null ? {} : { privacy: this.ledger.stats() },
      exchange: this.exchangeStats(),
      routers: routers.map(router => router.stats()),
      ...addresses == null ? {} : { addresses: addresses.stats() },
      ...lookups == null ? {} : { lookups: lookups.stats() }
    }
  }

  /** A part of `stats()` that costs next to nothing */
  exchangeStats (): ExchangeStats {
    const { exchange, transfers } = this.#owned
    return { ...transfers.snapshot(), ...exchange == null ? {} : { bitswap: exchange.stats() } }
  }
}

async function * eachTold (cids: Iterable<CID> | AsyncIterable<CID>, tell: (cid: CID) => void): AsyncGenerator<CID> {
  for await (const cid of cids) {
    const known = CID.asCID(cid)
    if (known != null) {
      tell(known)
    }
    yield cid
  }
}
