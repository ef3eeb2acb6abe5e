/** What a spy saw of the node that is watched. Spies know nothing of disclosures: they read what comes. */
export interface Sighting {
  /** By the name that the node has for the spy */
  readonly observer: string
  readonly transport: 'http' | 'bitswap' | 'dht' | 'delegated' | 'dns' | 'redis' | 'dial'
  /** `none`: only that somebody is there */
  readonly form: 'cid' | 'multihash' | 'peer' | 'hostname' | 'none'
  /** The multihash in base64url; empty where it is not about a block */
  readonly subject: string
  /** `answered`: it had asked the node, and was told */
  readonly what: 'asked' | 'answered' | 'cancelled'
  readonly at: number
  /** The stream and the connection that it came by, where the spy can tell them apart */
  readonly over: readonly object[]
}

/** A connection or a stream that did not come to its proper end, as the spy knows */
export interface Break {
  readonly observer: string
  readonly at: number
  readonly over?: object
}

export class Sightings {
  readonly seen: Sighting[] = []
  readonly breaks: Break[] = []

  see (observer: string, transport: Sighting['transport'], form: Sighting['form'], subject = '', what: Sighting['what'] = 'asked', over: readonly object[] = []): void {
    this.seen.push({ observer, transport, form, subject, what, at: Date.now(), over })
  }

  broke (observer: string, over?: object): void {
    this.breaks.push({ observer, at: Date.now(), over })
  }
}
