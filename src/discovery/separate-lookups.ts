import { peerWalk } from './addresses/peer-lookup.ts'
import { LookupIdentity } from './kad/lookup-identity.ts'
import { WaryWalker } from './kad/wary-walker.ts'
import { Walker } from './kad/walker.ts'
import type { PeerLookup, PeerWalkComponents } from './addresses/peer-lookup.ts'
import type { KadClientInit } from './kad/kad-client-egress.ts'
import type { LookupIdentityComponents } from './kad/lookup-identity.ts'
import type { WaryWalkerComponents } from './kad/wary-walker.ts'
import type { LookupTurn } from './lookup-batches.ts'
import type { SwitchesOf } from '../interface/privacy-preset.ts'
import type { Request } from '../interface/request.ts'

export interface SeparateLookupsComponents extends LookupIdentityComponents {
  readonly switches: SwitchesOf
  readonly turn: LookupTurn
  /** The node's table, which such a lookup does not refresh: the node meets nobody by it */
  readonly table: PeerWalkComponents['table']
  /** How the node itself walks */
  readonly walking: PeerWalkComponents
  readonly regions: Omit<WaryWalkerComponents, 'client' | 'walker'>
  readonly walker: Pick<WaryWalker, 'findProviders'>
}

/**
 * Lookups in the DHT, each under the identity that its mode asks for. The table
 * is the node's own, and so is what was learnt of peers: nobody is told of it.
 */
export class SeparateLookups {
  readonly #switches: SwitchesOf
  readonly #identity: LookupIdentity
  readonly #own: Pick<WaryWalker, 'findProviders'>
  readonly #apart: Pick<WaryWalker, 'findProviders'>
  /** Where a peer is */
  readonly peerLookup: PeerLookup

  constructor ({ switches, turn, table, walking, regions, walker, ...components }: SeparateLookupsComponents, init: KadClientInit) {
    const client = new LookupIdentity(components, init)
    const apart = { ...walking, client, table }
    const [own, separate] = [peerWalk(walking), peerWalk(apart)]
    this.#switches = switches
    this.#identity = client
    this.#own = walker
    this.#apart = new WaryWalker({ ...regions, client, walker: new Walker(apart) })
    this.peerLookup = async (peer, request, options) => {
      await turn({ mode: request.mode, deadline: request.deadline, signal: options.signal })
      return (this.#isApart(request) ? separate : own)(peer, request, options)
    }
  }

  /** Who looks up a block */
  walkerFor (request: Pick<Request, 'mode'>): Pick<WaryWalker, 'findProviders'> {
    return this.#isApart(request) ? this.#apart : this.#own
  }

  start (): void {
    this.#identity.start()
  }

  async stop (): Promise<void> {
    await this.#identity.stop()
  }

  #isApart ({ mode }: Pick<Request, 'mode'>): boolean {
    return this.#switches(mode).lookupIdentity === 'separate'
  }
}
