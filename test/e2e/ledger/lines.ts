import type { Sighting } from './sightings.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

const TRANSPORTS: Readonly<Record<string, Sighting['transport']>> = { https: 'http', rediss: 'redis' }

/** What may be the same on either side */
export interface Line {
  readonly path: string
  readonly group: string
  /** Whom it went to, as channels name them */
  readonly place: string
  readonly transport: Sighting['transport']
  readonly what: Sighting['what']
  readonly form: string
  readonly observer: string
  /** A multihash, where it is about a block */
  readonly subject: string
}

export interface Known {
  /** Multihashes of all blocks there are, in base64url: what else a DHT is asked for is about none */
  readonly blocks: ReadonlySet<string>
  /** Peer ids of all spies, as a DHT is asked for them, in base64url */
  readonly spies: ReadonlySet<string>
  /** By which name a gateway is known that a router names by its peer id */
  readonly aliases: ReadonlyMap<string, string>
}

export function ofSighting ({ observer, transport, form, subject, what, over }: Sighting, { blocks, spies }: Known): Line {
  const isAbout = form === 'cid' || form === 'multihash' || (transport === 'dht' && blocks.has(subject))
  const seen = transport === 'dht' ? (isAbout ? 'multihash' : spies.has(subject) ? 'peer' : 'none') : form
  return line(observer, over.place, transport, what, seen, isAbout ? subject : '')
}

export function ofEntry ({ observer: named, transport, form, purpose, key = '' }: DisclosureEntry, { aliases }: Known): Line {
  const observer = aliases.get(named) ?? named
  const port = /^(?:https?:|router:|party:redis).*:(\d+)$/.exec(observer)?.[1]
  const place = port == null ? observer : `tcp:${port}`
  // of a sibling it is only said that it is one
  const means = transport === 'sibling' ? (observer.startsWith('p2p:') ? 'bitswap' : 'http') : TRANSPORTS[transport] ?? transport as Sighting['transport']
  const isAbout = form === 'cid' || form === 'multihash'
  // a key near that of a block is a key of nobody
  const shown = means === 'dht' && form === 'prefix' ? 'none' : form
  // a connection carries no name
  return line(means === 'dial' ? place : observer, place, means, means === 'bitswap' && purpose === 'serve' ? 'answered' : 'asked', shown, isAbout ? key : '')
}

/** The CANCEL of a want */
export function cancelOf ({ observer, place, transport, form, subject }: Line): Line {
  return line(observer, place, transport, 'cancelled', form, subject)
}

function line (observer: string, place: string, transport: Line['transport'], what: Line['what'], form: string, subject: string): Line {
  const path = `${transport} ${what} ${form}`
  return { path, group: `${path} ${observer} ${subject}`, place, transport, what, form, observer, subject }
}
