import { readDialAddress } from './dial-address.ts'
import type { AddressGuard } from './address-guard.ts'
import type { Disclosure } from '../../interface/disclosure.ts'

/** What may be dialled of the addresses of a peer, for those who dial without a lease */
export interface DialableAddresses {
  /** Whether there is a transport for it. Pure and cheap. */
  dialable (address: string): boolean
  /** The address as it can be dialled, names resolved and checked; none for what may not be. Rejects only with the signal's reason. */
  check (address: string, peer: string, options: { signal: AbortSignal, discloseName (): Disclosure }): Promise<readonly string[]>
}

/** @param init - `pinsNames`: as for connection leases; otherwise secure WebSockets are left out */
export function dialableAddresses (guard: AddressGuard, { pinsNames = false }: { pinsNames?: boolean } = {}): DialableAddresses {
  return {
    dialable: address => 'address' in readDialAddress(address),
    check: async (address, peer, options) => {
      const { dialable } = await guard.checked([address], peer, options)
      return dialable.filter(({ kind, relayed }) => !relayed && (pinsNames || kind !== 'wss')).map(({ text }) => text)
    }
  }
}
