export interface AddressBookParams {
  /** Peers remembered: with eight addresses each some 1.5 kB apiece */
  readonly peers: number
  /** Milliseconds before what works is looked at again, and after a first failure; doubles with each further one */
  readonly interval: number
  /** Milliseconds that this grows to */
  readonly longest: number
  /** Milliseconds for which a peer that was named is worth a probe */
  readonly named: number
  /** Milliseconds for which one that delivered is */
  readonly delivered: number
}

/**
 * Four thousand peers are those of some hundred lookups, 6 MB. Fifteen minutes is how long
 * routers keep a home at its address without use; eight hours leave room for three looks
 * before an address is forgotten. Who was named is of use to this reader, who delivered to
 * this day's readers.
 */
export const DEFAULT_ADDRESS_BOOK: AddressBookParams = { peers: 4_096, interval: 900_000, longest: 28_800_000, named: 3_600_000, delivered: 43_200_000 }
