import { isPrivateHost } from '../provider/address.ts'
import { addressEndpoint } from '../provider/endpoint.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What of a node's addresses others are told: by identify, in its signed record, by announcements */
export type ToldAddresses = (addresses: Multiaddr[]) => Multiaddr[]

/**
 * Addresses of a private network are told in it, where its DHT needs them, and to
 * nobody else: elsewhere they are of no use and tell one network from another.
 *
 * @param init - `private`: whether they may be told
 */
export function toldAddresses ({ private: tellsPrivate }: { private: boolean }): ToldAddresses {
  return tellsPrivate
    ? addresses => addresses
    : addresses => addresses.filter(address => {
      const endpoint = addressEndpoint(address.toString())
      return endpoint != null && !isPrivateHost(endpoint.host)
    })
}

interface HasAddresses {
  readonly addressManager: { getAddresses (): Multiaddr[] }
}

/** What a service of libp2p is made of, but for addresses that it would tell others */
export function tellingLess<C extends HasAddresses> (components: C, told: ToldAddresses): C {
  const { addressManager } = components

  return Object.create(components, {
    addressManager: {
      value: new Proxy(addressManager, {
        get: (manager, name) => {
          const value: unknown = Reflect.get(manager, name, manager)
          return name === 'getAddresses'
            ? () => told(manager.getAddresses())
            : typeof value === 'function' ? value.bind(manager) as unknown : value
        }
      })
    }
  }) as C
}
