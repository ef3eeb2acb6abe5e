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
  /** What it came by */
  readonly over: Channel
  /** Of a want: whether the peer has it; of a request: for a file of several blocks */
  readonly detail?: 'have' | 'car'
}

/** By whom something was ended that had no proper end: by the spy, as its conduct was, or by the node, in good order or not */
export type Breaker = 'spy' | 'node'

/** What messages come by and what may break: a connection, a stream of one, a question to a resolver */
export interface Channel {
  /** Where it ends: `p2p:…`, `tcp:PORT` or `party:dns` */
  readonly place: string
  /** What it carries; of a connection with streams: anything */
  readonly carries: Sighting['transport'] | 'any'
  /** The connection that it is a stream of */
  readonly within?: Channel
  readonly broke?: Break
}

export interface Break {
  readonly at: number
  readonly by: Breaker
  /** In order: what was read before was heard whole, what came behind it was not */
  readonly proper: boolean
}

let ticks = 0
setInterval(() => { ticks++ }, 1).unref()

/**
 * Milliseconds in which this process got to do something. The node and the spies share
 * one event loop: however long that is held up, either hears of the other a few of these later.
 */
export function instant (): number {
  return ticks
}

export class Sightings {
  readonly seen: Sighting[] = []
  /** Those that broke, in order */
  readonly broken: Array<Channel & Required<Pick<Channel, 'broke'>>> = []
  /** By which more came than the connection itself */
  readonly used = new Set<Channel>()

  channel (place: string, carries: Channel['carries'], within?: Channel): Channel {
    return { place, carries, ...within == null ? {} : { within } }
  }

  see (over: Channel, observer: string, transport: Sighting['transport'], form: Sighting['form'], subject = '', what: Sighting['what'] = 'asked', detail?: Sighting['detail']): void {
    for (let channel: Channel | undefined = transport === 'dial' ? undefined : over; channel != null; channel = channel.within) {
      this.used.add(channel)
    }
    this.seen.push({ observer, transport, form, subject, what, at: instant(), over, ...detail == null ? {} : { detail } })
  }

  /** It ended; only the first time counts. @param proper - as it should */
  broke (channel: Channel, by: Breaker, proper = false): void {
    if (channel.broke == null) {
      this.broken.push(Object.assign(channel, { broke: { at: instant(), by, proper } }))
    }
  }
}

/** How it ended before its time: by itself, and with its connection */
export function breaksOf (channel: Channel): readonly Break[] {
  const above = channel.within == null ? [] : breaksOf(channel.within)
  return channel.broke == null || channel.broke.proper ? above : [channel.broke, ...above]
}
