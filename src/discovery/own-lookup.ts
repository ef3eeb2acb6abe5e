const OWN = Symbol.for('portolan.own-lookup')

/** What a lookup of ours has to do with the node's routers, whoever of them calls whom */
export interface OwnLookup {
  /** The DHT is asked beside it, so that kad-dht need not be */
  readonly withoutDHT?: boolean
  /** Routers of last resort are asked beside it, when it is their turn */
  readonly withoutFallback?: boolean
  /** Whether the mode leaves this router out */
  refused? (router: string, isFallback: boolean): boolean
  /** One of the routers is about to be asked */
  asked? (router: string): void
  /** The one that was about to be asked is not */
  spared? (): void
  /** One of them has failed; the others go on */
  failed? (router: string, error: Error): void
}

/** Goes with the options of a lookup: Helia and libp2p hand them on to each router, symbols included */
export function ownLookup (lookup: OwnLookup): object {
  return { [OWN]: lookup }
}

/** Undefined where somebody else looks up */
export function lookupOf (options: object | undefined): OwnLookup | undefined {
  return (options as { [OWN]?: OwnLookup } | undefined)?.[OWN]
}
