import type { ConnectionObservation, Exposure, Observations, PeerObservation, TrafficEvent } from '../../interface/privacy.ts'

/** What is looked at: the newest of what was observed, bounded, with texts and times that can be worked with */
export interface View {
  readonly from: number
  readonly to: number
  readonly self?: Observations['self']
  readonly peers: readonly PeerObservation[]
  readonly connections: readonly ConnectionObservation[]
  /** By time */
  readonly events: readonly TrafficEvent[]
  /** Those that left this node or may have: `sent` and `unknown`, by time */
  readonly exposures: readonly Exposure[]
  /** Whether a ledger is attached */
  readonly accounted: boolean
  readonly unaccounted: NonNullable<Observations['unaccounted']>
  /** The one peer that the analysis is about; `peers` and `events` still are of all, for it is compared with them */
  readonly focus?: string
}

/** Ten times what a collector keeps by default, and twice the events that are promised in a second: the newest count */
const MAX_PEERS = 10_000
const MAX_CONNECTIONS = 100_000
const MAX_EVENTS = 200_000
const MAX_EXPOSURES = 100_000
const MAX_SPANS = 1_000

/** Peer ids have 60 characters and agents rarely 100; what is longer is told apart by its ends and its length */
const MAX_TEXT = 256
const TEXT_END = 32

/** A node speaks some thirty protocols; a list of thousands is made up */
const MAX_LIST = 256

/** Cuts what others wrote, so that a megabyte costs no more than a line, and two that differ mostly still do */
export function bounded (text: string): string {
  return typeof text !== 'string'
    ? ''
    : text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - TEXT_END)}…${text.length}…${text.slice(-TEXT_END)}`
}

function boundedList (list: readonly string[]): readonly string[] {
  return list.length <= MAX_LIST && list.every(text => typeof text === 'string' && text.length <= MAX_TEXT) ? list : list.slice(0, MAX_LIST).map(bounded)
}

function newest<T> (list: readonly T[], max: number): readonly T[] {
  return list.length <= max ? list : list.slice(-max)
}

/** In place where nothing is out of order, which is the rule */
function byTime<T extends { readonly at: number }> (list: readonly T[]): readonly T[] {
  for (let i = 1; i < list.length; i++) {
    if ((list[i] as T).at < (list[i - 1] as T).at) {
      return [...list].sort((a, b) => a.at - b.at)
    }
  }
  return list
}

/** What a Date can say, in ms either way: beyond it sums overflow */
const MAX_TIME = 8_640_000_000_000_000

function isTime (at: number): boolean {
  return at >= -MAX_TIME && at <= MAX_TIME
}

function timed<T extends { readonly at: number }> (list: readonly T[]): readonly T[] {
  return byTime(list.every(({ at }) => isTime(at)) ? list : list.filter(({ at }) => isTime(at)))
}

function peerView (peer: PeerObservation): PeerObservation {
  return {
    ...peer,
    id: bounded(peer.id),
    addresses: boundedList(peer.addresses),
    protocols: boundedList(peer.protocols),
    ...peer.agent == null ? {} : { agent: bounded(peer.agent) },
    ...peer.supported == null ? {} : { supported: boundedList(peer.supported) }
  }
}

function eventView (event: TrafficEvent): TrafficEvent {
  return event.peer.length <= MAX_TEXT ? event : { ...event, peer: bounded(event.peer) }
}

function connectionView (connection: ConnectionObservation): ConnectionObservation {
  return { ...connection, peer: bounded(connection.peer), remoteAddr: bounded(connection.remoteAddr), protocols: boundedList(connection.protocols) }
}

function exposureView (exposure: Exposure): Exposure {
  return {
    ...exposure,
    request: bounded(exposure.request),
    observer: bounded(exposure.observer),
    ...exposure.subject == null ? {} : { subject: bounded(exposure.subject) },
    ...exposure.client == null ? {} : { client: bounded(exposure.client) }
  }
}

/** One of each id: the one that was told last */
function unique<T extends { readonly id: string }> (list: readonly T[]): readonly T[] {
  const byId = new Map(list.map(entry => [entry.id, entry]))
  return byId.size === list.length ? list : [...byId.values()]
}

/** Of the observations, what can be analysed: clocks that went back, doubled ids and texts of a megabyte notwithstanding */
export function viewOf (observations: Observations, focus?: string): View {
  const { from, to, self, exposures, unaccounted } = observations
  const events = timed(newest(observations.events, MAX_EVENTS)).map(eventView)
  const left = (exposures ?? []).filter(({ state }) => state === 'sent' || state === 'unknown')
  const start = isTime(from) ? from : events[0]?.at ?? 0
  const end = isTime(to) ? to : events.at(-1)?.at ?? start

  return {
    from: Math.min(start, end),
    to: Math.max(start, end),
    ...self == null ? {} : { self: { ...self, ...self.agent == null ? {} : { agent: bounded(self.agent) }, protocols: boundedList(self.protocols) } },
    peers: unique(newest(observations.peers, MAX_PEERS).map(peerView)),
    connections: unique(newest(observations.connections, MAX_CONNECTIONS).map(connectionView)),
    events,
    exposures: timed(newest(left, MAX_EXPOSURES)).map(exposureView),
    accounted: exposures != null,
    unaccounted: newest(unaccounted ?? [], MAX_SPANS).filter(span => isTime(span.from) && isTime(span.to ?? 0)),
    ...focus == null ? {} : { focus: bounded(focus) }
  }
}

/** The same, of what concerns one peer: its connections, and what it was told */
export function focused (view: View): View {
  const { focus } = view

  if (focus == null) {
    return view
  }

  return {
    ...view,
    connections: view.connections.filter(({ peer }) => peer === focus),
    exposures: view.exposures.filter(({ observer }) => observer === focus || observer === `p2p:${focus}`)
  }
}
