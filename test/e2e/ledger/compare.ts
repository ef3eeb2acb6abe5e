import { peerIdFromString } from '@libp2p/peer-id'
import { Excuses, SLACK } from './doubts.ts'
import { cancelOf, ofEntry, ofSighting } from './lines.ts'
import { breaksOf } from './sightings.ts'
import { emptyTally, summed } from './tally.ts'
import type { Group } from './doubts.ts'
import type { Known, Line } from './lines.ts'
import type { Recorded } from './recording-ledger.ts'
import type { Sighting, Sightings } from './sightings.ts'
import type { Tally } from './tally.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

export interface Compared {
  readonly line: Line
  readonly tally: Tally
  readonly entries: readonly Recorded[]
  readonly sightings: readonly Sighting[]
}

export interface Comparison {
  readonly paths: ReadonlyMap<string, Tally>
  readonly sum: Tally
  /** What the paths are the sum of: one kind of message about one thing to one party */
  readonly groups: readonly Compared[]
  /** What is wrong, in words */
  readonly faults: readonly string[]
  /** Marked as unknown although nothing broke: each is a fault too */
  readonly baseless: readonly DisclosureEntry[]
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

/** From a CANCEL to the end of its stream, as `SLACK`: the node waits four turns of the event loop before it says that it was written */
const QUICK = 50

/**
 * Every message that a spy saw against every entry of the ledger, both ways, and how
 * often. What is not counted that way is counted as excused, with the reason.
 */
export function compare ({ sightings, entries, blocks, ports, peers, aliases }: Told): Comparison {
  const known = { blocks, aliases, spies: new Set([...peers].map(bytesOfPeer)) }
  const { groups, foreign, faults } = gathered(sightings, entries, known)
  const excuses = new Excuses(sightings)
  const compared: Compared[] = []
  const baseless: DisclosureEntry[] = []

  for (const group of groups.values()) {
    const { line, seen, sent, unknown } = group
    const { place, subject } = line
    // what foreign code did is a lower bound: that it was let loose for this block is what the ledger says
    const tally = tallied(group, subject !== '' && foreign.has(subject))
    const isSpy = place.startsWith('p2p:') ? peers.has(place.slice(4)) : place === 'party:dns' || ports.has(Number(place.slice(4)))

    if (tally.missing > 0) {
      faults.push(`missing: ${tally.missing} of ${seen.length} × ${line.group}, the ledger has ${sent.length} sent and ${unknown.length} unknown; ${seen.map(({ at, over }) => `seen at ${at.toFixed()}${breaksOf(over).map(({ at, by }) => `, broken at ${at.toFixed()} by the ${by}`).join('')}`).slice(0, 5).join('; ')}`)
    }
    if (tally.extra > 0) {
      faults.push(`extra: ${tally.extra} of ${sent.length} × ${line.group}, seen ${seen.length}`)
    }
    for (const { recorded, cause } of excuses.judge(group)) {
      const why = isSpy ? cause : 'nobody there who is a spy'

      if (why == null) {
        baseless.push(recorded.entry)
        faults.push(`unknown without a broken connection: ${told(recorded.entry)}, ${around(recorded, group, sightings)}`)
      } else {
        tally.causes.set(why, (tally.causes.get(why) ?? 0) + 1)
      }
    }
    compared.push({ line, tally, entries: [...sent, ...unknown], sightings: seen })
  }
  const paths = new Map<string, Tally>()
  for (const { line: { path }, tally } of compared) {
    paths.set(path, summed([paths.get(path) ?? emptyTally(), tally]))
  }
  return { paths, sum: summed(paths.values()), groups: compared, faults, baseless }
}

/** What may be the same on either side, side by side */
function gathered (sightings: Sightings, entries: readonly Recorded[], known: Known): { groups: ReadonlyMap<string, Group>, foreign: ReadonlySet<string>, faults: string[] } {
  const groups = new Map<string, Group>()
  const foreign = new Set<string>()
  const faults: string[] = []
  const groupOf = (line: Line): Group => {
    const found = groups.get(line.group) ?? { line, seen: [], sent: [], unknown: [], shared: line.transport === 'bitswap' && line.what !== 'answered' }
    groups.set(line.group, found)
    return found
  }

  for (const sighting of sightings.seen) {
    groupOf(ofSighting(sighting, known)).seen.push(sighting)
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
    const line = ofEntry(entry, known)

    if (entry.cancelled) {
      groupOf(cancelOf(line)).sent.push(recorded)
    }
    if (entry.state === 'sent') {
      groupOf(line).sent.push(recorded)
    } else if (entry.state === 'unknown') {
      groupOf(line).unknown.push(recorded)
    }
  }
  return { groups, foreign, faults }
}

function tallied ({ line: { path, what }, seen, sent, unknown, shared }: Group, covered: boolean): Tally {
  const tally = emptyTally()
  const excuse = (count: number, reason: string): number => {
    if (count > 0) {
      tally.excused.set(reason, count)
    }
    return 0
  }
  const settled = sent.length + unknown.length
  tally.matched = Math.min(seen.length, settled)
  tally.missing = Math.max(0, seen.length - settled)
  tally.extra = Math.max(0, sent.length - seen.length)
  tally.unknown = unknown.length

  if (covered) {
    tally.missing = excuse(tally.missing, 'told by foreign code')
  } else if (path === 'dht asked none') {
    // keys of nobody: tables are kept with them, and lookups are hidden among them
    tally.missing = excuse(tally.missing, 'keys of nobody')
  } else if (what === 'cancelled' && sent.length > 0) {
    // once more, after the stream of the first one broke
    tally.missing -= Math.min(tally.missing, sent.length)
    excuse(seen.length - settled - tally.missing, 'said twice')
  } else if (what === 'cancelled' && seen.every(({ at, over }) => breaksOf(over).some(broke => Math.abs(broke.at - at) <= QUICK))) {
    // the node cannot know that it was read
    tally.missing = excuse(tally.missing, 'their stream broke behind them')
  }
  if (shared) {
    const early = sent.filter(({ settledAt = 0 }) => !seen.some(({ at }) => at <= settledAt + SLACK)).length
    excuse(tally.extra - early, 'of a want that several joined')
    tally.extra = Math.min(tally.extra, early)
  }
  return tally
}

function bytesOfPeer (id: string): string {
  return Buffer.from(peerIdFromString(id).toMultihash().bytes).toString('base64url')
}

function told ({ observer, form, transport, purpose, key, state, request }: DisclosureEntry): string {
  return `${state} ${purpose} ${transport} ${form} ${observer} ${key ?? ''} (${request})`
}

/** What was seen of it and what broke there about that time, for whoever has to find out why */
function around ({ intendedAt, settledAt = intendedAt }: Recorded, { seen, sent, unknown, line: { place } }: Group, { broken }: Sightings): string {
  const from = (at: number): string => `${(at - intendedAt).toFixed()}`
  const near = broken.filter(({ place: at, broke }) => at === place && Math.abs(broke.at - intendedAt) < 5_000)
  return `settled after ${from(settledAt)} ms; seen at ${seen.map(({ at, over }) => `${from(at)}${breaksOf(over).map(({ at, by }) => `, broken at ${from(at)} by the ${by}`).join('')}`).join(' and ') || 'no time'}; ${sent.length} sent, ${unknown.length} unknown; broken there ${near.map(({ carries, broke }) => `${carries} at ${from(broke.at)} by the ${broke.by}`).join(', ') || 'nothing'}`
}
