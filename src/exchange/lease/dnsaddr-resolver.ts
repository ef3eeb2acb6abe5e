import { multiaddr } from '@multiformats/multiaddr'
import { AddressGuard } from './address-guard.ts'
import type { AddressGuardComponents } from './address-guard.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { MultiaddrResolveOptions, MultiaddrResolver, PeerId } from '@libp2p/interface'

export interface DnsaddrComponents extends AddressGuardComponents {
  /** Whoever is asked for a name learns of it: one disclosure each */
  disclose (): Disclosure
}

/** Runs on without an end of its own: the guard has one */
const NEVER = new AbortController().signal

/**
 * What libp2p's dials resolve `/dnsaddr` addresses with. Its own resolver follows
 * 32 levels with no limit to their width; this one follows as far as the guard
 * does, takes what leads to the peer that is dialled and may be connected to,
 * and returns IP addresses.
 */
export function dnsaddrResolver ({ disclose, ...components }: DnsaddrComponents): MultiaddrResolver {
  const guard = new AddressGuard(components)

  return {
    canResolve: address => address.getComponents().some(({ name }) => name === 'dnsaddr'),

    async resolve (address, options: MultiaddrResolveOptions & { readonly peerId?: PeerId }) {
      const last = address.getComponents().at(-1)
      // the peer store leaves it out; libp2p hands on whom it dials, which its types do not say
      const peer = last?.name === 'p2p' ? last.value : options.peerId?.toString()

      if (peer == null) {
        return []
      }
      const { dialable } = await guard.checked([address.toString()], peer, { signal: options.signal ?? NEVER, discloseName: disclose })
      return dialable.map(({ text }) => multiaddr(`${text}/p2p/${peer}`))
    }
  }
}
