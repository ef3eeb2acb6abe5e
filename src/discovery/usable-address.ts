import { addressEndpoint, isRelayed } from '../provider/endpoint.ts'
import type { AddressPolicy } from '../provider/address.ts'

/** Addresses of peers of the DHT that are worth a dial: a server behind a relay answers nobody */
export function usableOver (policy: AddressPolicy): (address: string) => boolean {
  return address => {
    const endpoint = addressEndpoint(address)
    return endpoint?.port != null && !isRelayed(address) && policy.allows(endpoint.host, endpoint.port)
  }
}
