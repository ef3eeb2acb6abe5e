import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import type { Provider, Router } from '@helia/interface'

// transport-ipfs-gateway-http in the multicodec table: how Helia names a gateway that has no peer id
const GATEWAY_CODE = 0x0920

export interface LoopbackRouterInit {
  /** URLs of the gateways that are said to have everything, in this order; or a function that finds them */
  providers: ReadonlyArray<string | { readonly url: string }> | ((cid: CID, signal?: AbortSignal) => Iterable<string> | AsyncIterable<string>)
  /** @default 'loopback' */
  name?: string
}

/** A Helia router that answers from a list and counts what it was asked */
export interface LoopbackRouter extends Router {
  /** CIDs that were looked up, in order: one entry per lookup */
  readonly lookups: readonly CID[]
  findProviders (cid: CID, options?: { signal?: AbortSignal }): AsyncGenerator<Provider>
}

/** As a Helia router names a gateway */
export function gatewayProvider (url: string, router: string): Provider {
  return {
    id: CID.createV1(GATEWAY_CODE, identity.digest(new TextEncoder().encode(url))),
    multiaddrs: [uriToMultiaddr(url)],
    protocols: ['transport-ipfs-gateway-http'],
    router,
    fallback: false
  }
}

export function loopbackRouter (init: LoopbackRouterInit): LoopbackRouter {
  const { providers, name = 'loopback' } = init
  const lookups: CID[] = []

  return {
    name,
    lookups,
    async * findProviders (cid, options) {
      lookups.push(cid)
      const found = typeof providers === 'function' ? providers(cid, options?.signal) : providers.map(p => typeof p === 'string' ? p : p.url)
      for await (const url of found) {
        yield gatewayProvider(url, name)
      }
    }
  }
}
