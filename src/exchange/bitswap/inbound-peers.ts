import { Allowance } from './allowance.ts'
import { DEFAULT_SERVE_LIMITS } from './server/limits.ts'
import { BitswapStreamError } from './inbound-stream.ts'
import { WANTS_PER_PEER } from '../wants-per-peer.ts'
import type { AllowanceInit } from './allowance.ts'
import type { InboundStream } from './inbound-stream.ts'
import type { Clock } from '../../interface/clock.ts'

/** Incoming streams of one peer at a time. Kubo and Helia open one for every message, and answers overlap when it is fast and we are busy; more than this is none of that. */
export const MAX_STREAMS_PER_PEER = 64
/** Incoming streams at a time; a quarter of them is for peers that something is wanted from. As many as libp2p keeps connections, three times over. */
const MAX_STREAMS = 1_024
/** Bytes of one peer besides blocks that were asked for. A want-list of 1 024 entries has 50 KB, and a client of small blocks sends ten thousand wants a second. */
const BYTES: AllowanceInit = { burst: 8_388_608, perSecond: 1_048_576 }
/** Streams of one peer that end without a message: as many as it may have, once, and now and then one that broke */
const BARREN: AllowanceInit = { burst: 64, perSecond: 1 }
/** Wants and presences of one peer that are read. Eight full tables of wants at once; each costs some microseconds to read, so that one peer takes a tenth of a processor. */
const ENTRIES: AllowanceInit = { burst: 8 * WANTS_PER_PEER, perSecond: 10_000 }
/** The same of all peers together: two of them going on at full speed, and several that begin */
const ALL_ENTRIES: AllowanceInit = { burst: 65_536, perSecond: 20_000 }
/** What one peer may still say of late when all together said too much, a full table: whoever says little is heard */
const FEW_ENTRIES = WANTS_PER_PEER
/** As many as are answered */
const REFUSED_ENTRIES: AllowanceInit = { burst: DEFAULT_SERVE_LIMITS.refusalsPerSecond, perSecond: DEFAULT_SERVE_LIMITS.refusalsPerSecond }
/** Milliseconds for which it is remembered whether a peer may be served */
const SERVED_FOR = 100
/** Bytes of messages that are not complete, besides blocks that were asked for, of all peers together: want-lists of a thousand peers at once */
const MAX_HELD = 67_108_864
/** The same of one peer: a want-list of the largest size on each of a few streams */
const MAX_HELD_PER_PEER = 4_194_304
/** Peers with a record of what they may still send; whoever is full again has none */
const MAX_PEERS = 4_096
/** Streams of one peer that may be silent for long: it says everything on one, or opens one for each message and closes it */
const LASTING_STREAMS = 4

/** What one peer has open, and what it may still send */
export class InboundPeer {
  readonly id: string
  readonly streams = new Set<InboundStream>()
  readonly bytes: Allowance
  readonly barren: Allowance
  /** Wants and presences that are read, and those of a peer that may not be served */
  readonly entries: Allowance
  readonly refused: Allowance
  /** Whether it may be served, as of when */
  #served = false
  #servedAt = -Infinity
  readonly #clock: Clock
  /** Bytes of its messages that are not complete */
  held = 0

  constructor (id: string, clock: Clock) {
    this.id = id
    this.#clock = clock
    this.entries = new Allowance(clock, ENTRIES)
    this.refused = new Allowance(clock, REFUSED_ENTRIES)
    this.bytes = new Allowance(clock, BYTES)
    this.barren = new Allowance(clock, BARREN)
  }

  /** Asked anew now and then: it may take a look at all connections, and want-lists have thousands of lines */
  served (ask: (peer: string) => boolean): boolean {
    const now = this.#clock.now()

    if (now - this.#servedAt >= SERVED_FOR) {
      this.#served = ask(this.id)
      this.#servedAt = now
    }

    return this.#served
  }

  /** A record of it says nothing that a new one would not */
  get spotless (): boolean {
    return this.streams.size === 0 && this.bytes.full && this.barren.full && this.entries.full && this.refused.full
  }
}

/** Streams that peers opened. What is short is taken from whoever has most of it, not from whoever comes last. */
export class InboundPeers {
  readonly #clock: Clock
  readonly #wanted: (peer: string) => boolean
  readonly #peers = new Map<string, InboundPeer>()
  readonly #entries: Allowance
  #streams = 0
  #held = 0

  /** @param wanted - whether anything is wanted from a peer */
  constructor (clock: Clock, wanted: (peer: string) => boolean) {
    this.#clock = clock
    this.#wanted = wanted
    this.#entries = new Allowance(clock, ALL_ENTRIES)
  }

  get size (): { streams: number, peers: number, held: number } {
    return { streams: this.#streams, peers: this.#peers.size, held: this.#held }
  }

  get (id: string): InboundPeer {
    let peer = this.#peers.get(id)

    if (peer == null) {
      if (this.#peers.size >= MAX_PEERS) {
        this.#forget()
      }
      peer = new InboundPeer(id, this.#clock)
      this.#peers.set(id, peer)
    }

    return peer
  }

  /** Is there a place for another stream of this peer? Somebody else's may have to end for it. */
  admits (peer: InboundPeer): boolean {
    if (peer.streams.size >= MAX_STREAMS_PER_PEER) {
      return false
    }

    if (this.#streams < MAX_STREAMS * 3 / 4) {
      return true
    }

    const wanted = this.#wanted(peer.id)
    return (wanted && this.#streams < MAX_STREAMS) || this.#evict(wanted)
  }

  add (peer: InboundPeer, stream: InboundStream): void {
    peer.streams.add(stream)
    this.#streams++
  }

  remove (peer: InboundPeer, stream: InboundStream): void {
    if (peer.streams.delete(stream)) {
      this.#streams--
    }
  }

  /** So many more bytes (or fewer) are in memory until a message of this stream is complete */
  hold (peer: InboundPeer, stream: InboundStream, bytes: number): void {
    peer.held += bytes
    this.#held += bytes

    if (bytes > 0 && peer.held > MAX_HELD_PER_PEER) {
      largest(peer.streams)?.exceeds('It leaves too many messages unfinished')
    } else if (bytes > 0 && this.#held > MAX_HELD) {
      largest(this.#all(), stream)?.abort(new BitswapStreamError('Too many messages are on their way, and this is the largest'))
    }
  }

  /** May another want or presence be read? Whoever says too much, or much while all together do, loses the stream and says it again later. */
  reads (peer: InboundPeer, stream: InboundStream): boolean {
    if (!peer.entries.spend(1)) {
      stream.exceeds('It says more than anybody reads')
      return false
    }

    if (!this.#entries.spend(1)) {
      // what was not read is not owed
      this.#entries.refund(1)

      if (peer.entries.left < ENTRIES.burst - FEW_ENTRIES) {
        stream.abort(new BitswapStreamError('Too much is said at once, much of it here'))
        return false
      }
    }

    return true
  }

  /** Gives up what does not come to its end, and forgets whom nothing is to be remembered of */
  sweep (): void {
    for (const [id, peer] of this.#peers) {
      let place = 0

      for (const stream of [...peer.streams]) {
        stream.sweep(place++ < LASTING_STREAMS)
      }
      if (peer.spotless) {
        this.#peers.delete(id)
      }
    }
  }

  clear (reason: Error): void {
    for (const stream of [...this.#all()]) {
      stream.abort(reason)
    }
    this.#peers.clear()
  }

  * #all (): Iterable<InboundStream> {
    for (const { streams } of this.#peers.values()) {
      yield * streams
    }
  }

  /** Ends the stream that was silent longest, of those who have most; of peers that something is wanted from only for another such */
  #evict (wanted: boolean): boolean {
    let most = 0
    let silent: InboundStream | undefined

    for (const { id, streams } of this.#peers.values()) {
      if (streams.size < most || streams.size === 0 || this.#wanted(id)) {
        continue
      }

      for (const stream of streams) {
        if (silent == null || streams.size > most || stream.heardAt < silent.heardAt) {
          silent = stream
          most = streams.size
        }
      }
    }

    if (silent == null && wanted) {
      for (const stream of this.#all()) {
        silent = silent == null || stream.heardAt < silent.heardAt ? stream : silent
      }
    }

    silent?.abort(new BitswapStreamError('Too many streams are open, and this one was silent longest'))
    return silent != null
  }

  /** The first that has nothing open goes, whatever it still owes */
  #forget (): void {
    for (const [id, { streams }] of this.#peers) {
      if (streams.size === 0) {
        this.#peers.delete(id)
        return
      }
    }
  }
}

function largest (streams: Iterable<InboundStream>, except?: InboundStream): InboundStream | undefined {
  let found: InboundStream | undefined

  for (const stream of streams) {
    if (stream !== except && stream.held > (found?.held ?? 0)) {
      found = stream
    }
  }

  return found
}
