import { FetchError } from '../../interface/errors.ts'
import { GivenBlocks } from './given-blocks.ts'
import { PeerClient } from './peer-client.ts'
import { WANTS_PER_PEER } from '../wants-per-peer.ts'
import type { BlockPayload, BlockPrefix, Presence } from './message.ts'
import type { Acceptance, BitswapNetwork, BlockReceiver, Unfinished } from './network.ts'
import type { BlockVerifier } from '../../block/verify.ts'
import type { Clock } from '../../interface/clock.ts'
import type { PrivacyMode } from '../../interface/disclosure.ts'
import type { BlockFetcher } from '../../interface/fetcher.ts'
import type { Provider, ProviderId, Route } from '../../interface/provider.ts'
import type { Attempt, Want } from '../../interface/request.ts'
import type { ConnectionLeases, Lease } from '../lease/lease.ts'
import type { RelayRule } from '../lease/relays.ts'
import type { Connection } from '@libp2p/interface'

export interface BitswapFetcherComponents {
  network: BitswapNetwork
  leases: ConnectionLeases
  /** The one that the caller verifies with: what was hashed here is then not hashed again */
  verifier: BlockVerifier
  clock: Clock
  /** Through which relays a peer may be reached in a mode. @default through any */
  relays? (mode: PrivacyMode): RelayRule | undefined
}

export interface BitswapFetcher extends BlockFetcher {
  readonly transport: 'bitswap'
  /** Blocks that are wanted right now, and peers that they are wanted from */
  readonly size: { readonly wants: number, readonly peers: number }
  /**
   * Asks a connected peer whether it has a block, and resolves with its answer;
   * undefined when it gives none, or is asked for the block itself already.
   */
  ask (want: Want, to: { readonly peer: string, readonly connection: Connection }, attempt: Pick<Attempt, 'request' | 'signal'>): Promise<boolean | undefined>
  start (): void
  /** Fails what is waited for and cancels it on the wire */
  stop (): Promise<void>
}

/** Blocks wanted from all peers together. Each costs about a kilobyte with its attempt: 16 MiB. */
const MAX_WANTS = 16_384
/** Peers whose addresses are remembered between `routes` and `fetch` */
const MAX_ADDRESS_BOOK = 4_096
/** Peers that something is remembered of while nothing is wanted from them */
const MAX_PEERS = 1_024
/** For the CANCELs of everything that was wanted at the end: they are on their way or they never will be */
const STOP_TIMEOUT = 1_000

/**
 * Fetches blocks over bitswap: from the peer that was chosen, and no other. It
 * is told what is wanted of it, and that it is not wanted any more.
 */
export function bitswapFetcher (components: BitswapFetcherComponents): BitswapFetcher {
  return new Fetcher(components)
}

class Fetcher implements BitswapFetcher, BlockReceiver {
  readonly name = 'bitswap'
  readonly transport = 'bitswap'
  readonly #components: BitswapFetcherComponents
  readonly #peers = new Map<string, PeerClient>()
  readonly #addresses = new Map<ProviderId, readonly string[]>()
  #detach: (() => void) | undefined
  readonly #wantsOf = new Map<string, number>()
  readonly #given: GivenBlocks
  #wants = 0

  constructor (components: BitswapFetcherComponents) {
    this.#components = components
    this.#given = new GivenBlocks(components.clock)
  }

  get size (): { wants: number, peers: number } {
    return { wants: this.#wants, peers: this.#peers.size }
  }

  /** One route a peer, however many addresses it has: which of them connects is found out by whoever dials */
  routes (provider: Provider): readonly Route[] {
    if (!provider.id.startsWith('p2p:') || (provider.protocols.length > 0 && !provider.protocols.some(speaksBitswap))) {
      return []
    }

    const addresses = provider.addresses.filter(address => address.startsWith('/'))

    if (provider.addresses.length > 0 && addresses.length === 0) {
      // all that is known of it is a gateway
      return []
    }

    this.#remember(provider.id, addresses)
    return [{ provider: provider.id, transport: 'bitswap' }]
  }

  proven ({ provider }: Route): boolean {
    return this.#components.leases.proven(provider.slice('p2p:'.length))
  }

  start (): void {
    this.#detach ??= this.#components.network.receiveBlocks(this)
  }

  async stop (): Promise<void> {
    if (this.#detach == null) {
      return
    }

    const peers = [...this.#peers.values()]
    const timeout = this.#components.clock.timeout(STOP_TIMEOUT)
    const expired = new Promise<void>(resolve => { timeout.signal.addEventListener('abort', () => { resolve() }, { once: true }) })
    await Promise.race([Promise.all(peers.map(async peer => peer.stop())), expired])
    timeout[Symbol.dispose]()

    for (const peer of peers) {
      peer.abandon(new FetchError('cancelled', 'Bitswap was stopped'))
    }

    this.#detach()
    this.#detach = undefined
    this.#peers.clear()
    this.#addresses.clear()
    this.#given.clear()
  }

  async fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const { provider } = route
    const peer = provider.slice('p2p:'.length)
    const { signal } = attempt

    if (this.#detach == null) {
      throw new FetchError('cancelled', `${provider} was not asked: bitswap is not running`, { provider })
    }

    if (signal.aborted) {
      throw new FetchError('cancelled', `${provider} was not waited for any longer`, { provider, cause: signal.reason })
    }

    const given = this.#given.take(peer, want.key, want.maxBytes)

    if (given != null) {
      attempt.phase('connected')
      attempt.bytes(given.byteLength)
      return given
    }

    const fromPeer = this.#wantsOf.get(peer) ?? 0

    if (this.#wants >= MAX_WANTS || fromPeer >= WANTS_PER_PEER) {
      throw new FetchError('overloaded', `${provider} was not asked: ${this.#wants} blocks are wanted already, ${fromPeer} of them from it`, { provider })
    }

    const disclosure = attempt.request.disclose({ observer: provider, form: 'cid', transport: 'bitswap', audience: 'one' })
    let lease: Lease
    this.#count(peer, 1)

    try {
      try {
        lease = await this.#components.leases.acquire({ peer, addresses: this.#addresses.get(provider) ?? [], relays: this.#components.relays?.(attempt.request.mode), disclosure }, { signal })
      } catch (error) {
        disclosure.notSent()
        throw error
      }

      if (signal.aborted || this.#detach == null) {
        disclosure.notSent()
        lease.release()
        throw new FetchError('cancelled', `${provider} was not waited for any longer`, { provider, cause: signal.reason })
      }

      attempt.phase('connected')
      return await this.#peer(peer).fetch(want, attempt, disclosure, lease)
    } finally {
      this.#count(peer, -1)
    }
  }

  async ask (want: Want, { peer, connection }: { peer: string, connection: Connection }, attempt: Pick<Attempt, 'request' | 'signal'>): Promise<boolean | undefined> {
    const full = this.#wants >= MAX_WANTS || (this.#wantsOf.get(peer) ?? 0) >= WANTS_PER_PEER

    if (this.#detach == null || attempt.signal.aborted || full || this.#peers.get(peer)?.knows(want.key) === true) {
      return undefined
    }

    const disclosure = attempt.request.disclose({ observer: `p2p:${peer}`, form: 'cid', transport: 'bitswap', audience: 'many' })
    this.#count(peer, 1)

    try {
      const bytes = await this.#peer(peer).ask(want, attempt, disclosure, connection)

      if (bytes != null) {
        this.#given.add(peer, want.key, bytes)
      }
      return true
    } catch (error) {
      return (error as FetchError).outcome === 'not-here' ? false : undefined
    } finally {
      this.#count(peer, -1)
    }
  }

  wantsFrom (peer: string): boolean {
    return this.#wantsOf.has(peer)
  }

  accept (peer: string, prefix: BlockPrefix, length: number, unfinished: Unfinished): Acceptance {
    const client = this.#peers.get(peer)

    if (client == null) {
      this.#components.network.fault(peer, 'unsolicited', `It sent a block of ${length} bytes and was never asked for any`)
      return 'no'
    }

    return client.accept(prefix, length, unfinished)
  }

  finished (peer: string, unfinished: Unfinished): void {
    this.#peers.get(peer)?.finished(unfinished)
  }

  progress (peer: string, bytes: number): void {
    this.#peers.get(peer)?.progress(bytes)
  }

  block (peer: string, payload: BlockPayload): Promise<void> | void {
    return this.#peers.get(peer)?.block(payload)
  }

  presences (peer: string, presences: readonly Presence[]): void {
    const client = this.#peers.get(peer)

    for (const presence of presences) {
      client?.presence(presence)
    }
  }

  broken (peer: string, error: Error): void {
    this.#peers.get(peer)?.broken(error)
  }

  /** From the moment that a connection is asked for */
  #count (peer: string, change: 1 | -1): void {
    const now = (this.#wantsOf.get(peer) ?? 0) + change
    this.#wants += change

    if (now === 0) {
      this.#wantsOf.delete(peer)
    } else {
      this.#wantsOf.set(peer, now)
    }
  }

  #peer (peer: string): PeerClient {
    let client = this.#peers.get(peer)

    if (client == null) {
      if (this.#peers.size >= MAX_PEERS) {
        this.#forget()
      }
      client = new PeerClient(peer, this.#components)
    } else {
      // those that were asked last are forgotten last
      this.#peers.delete(peer)
    }

    this.#peers.set(peer, client)
    return client
  }

  /** One that nothing is expected of, or else that nothing is wanted from: the rest are as many as there are wants. Of those, the one that was asked longest ago. */
  #forget (): void {
    let unwanted: string | undefined

    for (const [peer, client] of this.#peers) {
      if (client.idle) {
        this.#peers.delete(peer)
        return
      }
      unwanted ??= client.size === 0 ? peer : undefined
    }

    if (unwanted != null) {
      this.#peers.delete(unwanted)
    }
  }

  #remember (id: ProviderId, addresses: readonly string[]): void {
    const known = this.#addresses.get(id)

    if (addresses.length === 0 && known != null) {
      return
    }

    this.#addresses.delete(id)
    this.#addresses.set(id, addresses)

    if (this.#addresses.size > MAX_ADDRESS_BOOK) {
      this.#addresses.delete(this.#addresses.keys().next().value ?? 'p2p:')
    }
  }
}

function speaksBitswap (protocol: string): boolean {
  return protocol.includes('bitswap')
}
