import { breaksOf } from './sightings.ts'
import type { Line } from './lines.ts'
import type { Recorded } from './recording-ledger.ts'
import type { Breaker, Channel, Sighting, Sightings } from './sightings.ts'

/** By which one side may hear later than the other of what happened: in turns of the event loop that both are on, of which a message takes three or four and a reset as many */
export const SLACK = 8
/** The same for a connection that was given up: a listener accepts one in each turn, and of 128 the last one comes late */
const ACCEPTED = 60
/** The same within which all that one break has lost is settled */
const MOMENT = 10

/**
 * Why nobody can know whether something was sent:
 * - `read`: it was read, and the spy broke what it came by around that: a node that ends it itself knows what it had written
 * - `unread`: nobody read it, and what it may have gone by broke around that
 * - given up: a connection that the node did not know to be there yet
 */
export type Cause = 'read, ended by the spy' | `unread, ended by the ${Breaker}` | 'given up before anything was said' | 'given up before there was a connection'

export interface Doubt {
  readonly recorded: Recorded
  /** Absent: the ledger could have known */
  cause?: Cause
}

/** What a spy saw of one kind of message about one thing, and what the ledger has of it */
export interface Group {
  readonly line: Line
  readonly seen: Sighting[]
  readonly sent: Recorded[]
  readonly unknown: Recorded[]
  /** Several of the ledger may be one message */
  readonly shared: boolean
}

type Broken = Channel & Required<Pick<Channel, 'broke'>>

/** Breaks, and whom they have excused: a message that was lost is lost once */
export class Excuses {
  readonly #broken: readonly Broken[]
  readonly #used: ReadonlySet<Channel>
  /** When what went by it and was not read was settled */
  readonly #lost = new Map<Channel, number>()

  constructor ({ broken, used }: Sightings) {
    this.#broken = broken
    this.#used = used
  }

  /** Which of the doubts about one thing are right */
  judge ({ line, seen, sent, unknown, shared }: Group): Doubt[] {
    const free = new Set(seen)
    const doubts = unknown.map((recorded): Doubt => {
      const sighting = [...free].find(({ at, over }) => (within(recorded, at) && breakAmid(recorded, over) != null) || (this.#left(recorded, line, over) && within(recorded, at, ACCEPTED)))
      if (sighting == null) {
        return { recorded }
      }
      if (!shared) {
        free.delete(sighting)
      }
      return { recorded, cause: line.transport === 'dial' ? 'given up before anything was said' : 'read, ended by the spy' }
    })
    const open = doubts.filter(({ cause }) => cause == null)
    const baseless = shared ? new Set<Doubt>() : seenWhole(open, free, sent)

    for (const doubt of open) {
      if (!baseless.has(doubt)) {
        doubt.cause = line.transport === 'dial' ? 'given up before there was a connection' : this.#unread(doubt.recorded, line)
      }
    }
    return doubts
  }

  /** Whoever connects and leaves without a word has not heard yet that he was connected; a spy that does not listen hears of it late */
  #left (recorded: Recorded, { transport }: Line, over: Channel): boolean {
    return transport === 'dial' && !this.#used.has(over) && over.broke != null && within(recorded, over.broke.at, ACCEPTED)
  }

  #unread (recorded: Recorded, { place, transport }: Line): Cause | undefined {
    const { settledAt = Infinity } = recorded
    const channel = this.#broken.find(channel => channel.place === place &&
      (channel.carries === transport || channel.carries === 'any') &&
      within(recorded, channel.broke.at) &&
      Math.abs((this.#lost.get(channel) ?? settledAt) - settledAt) <= MOMENT)

    if (channel == null) {
      return undefined
    }
    this.#lost.set(channel, settledAt)
    return `unread, ended by the ${channel.broke.by}`
  }
}

/** Of those that are in doubt without a break: which must be one that was seen, since there are more than were sent */
function seenWhole (open: readonly Doubt[], free: Set<Sighting>, sent: readonly Recorded[]): ReadonlySet<Doubt> {
  let without = 0
  for (const recorded of sent) {
    const sighting = [...free].find(({ at }) => within(recorded, at))
    without += sighting == null ? 1 : 0
    free.delete(sighting as Sighting)
  }
  const found = new Set<Doubt>()
  for (const { at } of free) {
    const doubt = open.find(doubt => !found.has(doubt) && within(doubt.recorded, at))
    if (doubt != null) {
      found.add(doubt)
    }
  }
  const rest = Math.min(open.length, Math.max(0, free.size - without))
  return new Set([...found, ...open.filter(doubt => !found.has(doubt))].slice(0, rest))
}

function breakAmid (recorded: Recorded, over: Channel): ReturnType<typeof breaksOf>[number] | undefined {
  return breaksOf(over).find(({ at, by }) => by === 'spy' && within(recorded, at))
}

/** In its life: from when it was meant to when it was settled */
function within ({ intendedAt, settledAt = Infinity }: Recorded, at: number, slack = SLACK): boolean {
  return at >= intendedAt - SLACK && at <= settledAt + slack
}
