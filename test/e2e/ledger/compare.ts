import type { Recorded } from './recording-ledger.ts'
import type { Sighting, Sightings } from './sightings.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

export interface Tally {
  /** Seen, and in the ledger as sent or unknown */
  matched: number
  /** Seen by a spy, and not in the ledger */
  missing: number
  /** Marked as sent, and seen by nobody */
  extra: number
  /** Nobody here knows whether it was sent: allowed only where a connection broke */
  unknown: number
}

export interface Comparison {
  readonly paths: ReadonlyMap<string, Tally>
  readonly sum: Tally
  /** What is wrong, in words */
  readonly faults: readonly string[]
}

export interface Told {
  readonly sightings: Sightings
  readonly entries: readonly Recorded[]
  /** Multihashes of all blocks there are, in base64url: what else a DHT is asked for is about none */
  readonly blocks: ReadonlySet<string>
  /** Ports on which a spy listens */
  readonly ports: ReadonlySet<number>
  /** By which name a gateway is known that a router names by its peer id */
  readonly aliases: ReadonlyMap<string, string>
  /** Peers that are spies */
  readonly peers: ReadonlySet<string>
}

/** Milliseconds by which a spy may hear of an end later than the node */
const SLACK = 1_000
/** Milliseconds from a CANCEL to the end of its stream: the node waits four turns of the event loop before it says that it was written */
const QUICK = 250

const TRANSPORTS: Readonly<Record<string, Sighting['transport']>> = { https: 'http', rediss: 'redis' }

/** What is counted by whether it happened: a dial may take several connections, and several dials may take one */
const UNCOUNTED = new Set<Sighting['transport']>(['dial'])

/** What may be the same on either side */
interface Line {
  readonly path: string
  readonly group: string
}

/** Of a host, whatever its name: connections carry none */
function portOf (observer: string): number | undefined {
  const port = /^(?:https?:|router:|party:redis).*:(\d+)$/.exec(observer)?.[1]
  return port == null ? undefined : Number(port)
}

function line (observer: string, transport: Sighting['transport'], what: string, form: string, subject: string): Line {
  const path = `${transport} ${what} ${form}`
  return { path, group: `${path} ${observer} ${subject}` }
}

function ofSighting ({ observer, transport, form, subject, what }: Sighting, blocks: ReadonlySet<string>): Line {
  const isAbout = form === 'cid' || form === 'multihash' || (transport === 'dht' && blocks.has(subject))
  const seen = transport === 'dht' ? (isAbout ? 'multihash' : 'peer') : form
  return line(observer, transport, what, seen, isAbout ? subject : '')
}

function ofEntry ({ observer: named, transport, form, purpose, key = '' }: DisclosureEntry, aliases: ReadonlyMap<string, string>): Line {
  const observer = aliases.get(named) ?? named
  const port = portOf(observer)
  // of a sibling it is only said that it is one
  const means = transport === 'sibling' ? (observer.startsWith('p2p:') ? 'bitswap' : 'http') : TRANSPORTS[transport] ?? transport as Sighting['transport']
  const isAbout = form === 'cid' || form === 'multihash'
  const shown = means === 'dht' && form === 'prefix' ? 'peer' : form
  return line(means === 'dial' && port != null ? `tcp:${port}` : observer, means, means === 'bitswap' && purpose === 'serve' ? 'answered' : 'asked', shown, isAbout ? key : '')
}

/**
 * Every message that a spy saw against every entry of the ledger, both ways, and how
 * often. One message to a peer may carry what several requests want: of bitswap an
 * entry more than lines were seen is right where somebody joined a want that was out.
 */
export function compare ({ sightings, entries, blocks, ports, peers, aliases }: Told): Comparison {
  const paths = new Map<string, Tally>()
  const faults: string[] = []
  const groups = new Map<string, { path: string, seen: number, cancelsSeen: Sighting[], sent: number, unknown: Recorded[], cancelled: number }>()
  const groupOf = ({ path, group }: Line): { path: string, seen: number, cancelsSeen: Sighting[], sent: number, unknown: Recorded[], cancelled: number } => {
    let found = groups.get(group)
    if (found == null) {
      found = { path, seen: 0, cancelsSeen: [], sent: 0, unknown: [], cancelled: 0 }
      groups.set(group, found)
    }
    return found
  }
  const foreign = new Set<string>()

  for (const sighting of sightings.seen) {
    if (sighting.what === 'cancelled') {
      groupOf(ofSighting({ ...sighting, what: 'asked' }, blocks)).cancelsSeen.push(sighting)
    } else {
      groupOf(ofSighting(sighting, blocks)).seen++
    }
  }

  for (const recorded of entries) {
    const { entry } = recorded

    if (entry.transport === 'foreign') {
      if (entry.audience === 'unbounded' && entry.state !== 'not-sent') {
        foreign.add(entry.key ?? '')
      } else if (entry.audience === 'one' && entry.state === 'sent' && !sightings.seen.some(({ observer, subject }) => observer === entry.observer && subject === entry.key)) {
        faults.push(`extra: foreign code is said to have told ${entry.observer} of ${entry.key ?? 'nothing'}, who was told nothing`)
      }
      continue
    }
    if (recorded.settledAt == null || entry.state === 'intended') {
      faults.push(`unsettled: ${told(entry)}`)
      continue
    }
    const group = groupOf(ofEntry(entry, aliases))
    group.cancelled += entry.cancelled ? 1 : 0

    if (entry.state === 'sent') {
      group.sent++
    } else if (entry.state === 'unknown') {
      group.unknown.push(recorded)
    }
  }

  for (const [name, { path, seen, cancelsSeen, sent, unknown, cancelled }] of groups) {
    const tally = paths.get(path) ?? { matched: 0, missing: 0, extra: 0, unknown: 0 }
    paths.set(path, tally)
    const subject = name.split(' ').at(-1) ?? ''
    // what foreign code did is a lower bound: that it was let loose for this block is what the ledger says
    const covered = foreign.has(subject) && subject !== ''
    const uncounted = UNCOUNTED.has(path.split(' ')[0] as Sighting['transport'])
    const shared = seen > 0 && (uncounted || path.startsWith('bitswap asked'))
    // that kad-dht is there says it by itself, over connections that are disclosed
    const there = path.startsWith('dht asked peer') && groups.has(name.replace('dht asked peer', 'dial asked none'))
    const missing = covered || there || (uncounted && sent + unknown.length > 0) ? 0 : Math.max(0, seen - sent - unknown.length)
    const extra = shared ? 0 : Math.max(0, sent - seen)
    tally.matched += Math.min(seen, sent + unknown.length)
    tally.missing += missing
    tally.extra += extra
    tally.unknown += unknown.length

    if (missing > 0) {
      faults.push(`missing: ${missing} of ${seen} × ${name}, the ledger has ${sent} sent and ${unknown.length} unknown`)
    }
    if (extra > 0) {
      faults.push(`extra: ${extra} of ${sent} × ${name}, seen ${seen}`)
    }
    if (cancelled > 0 && cancelsSeen.length === 0) {
      faults.push(`cancelled in the ledger, and no CANCEL was seen: ${name}`)
    }
    // its stream broke behind it: the node cannot know that it was read
    const doubtful = cancelsSeen.every(({ at, over }) => sightings.breaks.some(broke => broke.over != null && over.includes(broke.over) && Math.abs(broke.at - at) <= QUICK))
    if (cancelsSeen.length > 0 && cancelled === 0 && !doubtful && !covered) {
      faults.push(`a CANCEL was seen, and the ledger has none: ${name}`)
    }
    // a dial of which nothing came has ended before its connection was there
    for (const { entry, intendedAt, settledAt = Infinity } of path.startsWith('dial') ? [] : unknown) {
      const name = aliases.get(entry.observer) ?? entry.observer
      const port = portOf(name)
      const peer = name.startsWith('p2p:') ? name.slice(4) : undefined
      const isSpy = peer == null ? port != null && ports.has(port) : peers.has(peer)

      if (isSpy && !sightings.breaks.some(({ observer, at }) => (observer === name || (port != null && observer === `tcp:${port}`)) && at >= intendedAt - SLACK && at <= settledAt + SLACK)) {
        faults.push(`unknown without a broken connection: ${told(entry)}`)
      }
    }
  }

  const sum = { matched: 0, missing: 0, extra: 0, unknown: 0 }
  for (const tally of paths.values()) {
    sum.matched += tally.matched
    sum.missing += tally.missing
    sum.extra += tally.extra
    sum.unknown += tally.unknown
  }
  return { paths, sum, faults }
}

/** Adds up what several nodes did */
export function together (comparisons: readonly Comparison[]): Comparison {
  const paths = new Map<string, Tally>()
  const sum = { matched: 0, missing: 0, extra: 0, unknown: 0 }
  const add = (to: Tally, from: Tally): void => {
    to.matched += from.matched
    to.missing += from.missing
    to.extra += from.extra
    to.unknown += from.unknown
  }
  for (const comparison of comparisons) {
    add(sum, comparison.sum)
    for (const [path, tally] of comparison.paths) {
      const known = paths.get(path) ?? { matched: 0, missing: 0, extra: 0, unknown: 0 }
      paths.set(path, known)
      add(known, tally)
    }
  }
  return { paths, sum, faults: comparisons.flatMap(({ faults }) => faults) }
}

export function table ({ paths, sum }: Comparison): string {
  const row = (name: string, tally: Tally): string => `${name.padEnd(28)} matched ${String(tally.matched).padStart(5)}  missing ${String(tally.missing).padStart(3)}  extra ${String(tally.extra).padStart(3)}  unknown ${String(tally.unknown).padStart(3)}`
  return [...[...paths].sort(([a], [b]) => a < b ? -1 : 1).map(([path, tally]) => row(path, tally)), row('in sum', sum)].join('\n')
}

function told ({ observer, form, transport, purpose, key, state, request }: DisclosureEntry): string {
  return `${state} ${purpose} ${transport} ${form} ${observer} ${key ?? ''} (${request})`
}
