import { isWorse } from './priority-list.ts'
import { ServedPeer } from './served-peer.ts'
import type { ServeLimits } from './limits.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Sending, ServedWant } from './served-peer.ts'
import type { BlockKey } from '../../../interface/provider.ts'
import type { WantEntry } from '../message.ts'

/** The first message to a peer is small, so that one that never reads holds little */
const FIRST_MESSAGE = 262_144

/** What peers want: bounded per peer and in all, with an index of who waits for a block that is not here */
export class WantTable {
  readonly #limits: ServeLimits
  readonly #memory: MemoryBudget
  /** Least recently heard of first */
  readonly #peers = new Map<string, ServedPeer>()
  readonly #waiting = new Map<BlockKey, Set<ServedWant>>()
  #wants = 0
  #greedy: { readonly peer: ServedPeer, readonly wants: number } | undefined
  #order = 0
  /** Wants that were dropped because a table was full */
  dropped = 0
  /** Messages of peers for which there was no room */
  turnedAway = 0

  constructor (limits: ServeLimits, memory: MemoryBudget) {
    this.#limits = limits
    this.#memory = memory
  }

  get size (): number {
    return this.#wants
  }

  /** Blocks that somebody waits for */
  get awaited (): number {
    return this.#waiting.size
  }

  peers (): IterableIterator<ServedPeer> {
    return this.#peers.values()
  }

  get peerCount (): number {
    return this.#peers.size
  }

  get (id: string): ServedPeer | undefined {
    return this.#peers.get(id)
  }

  /** The peer's state, made when there is room for it */
  enter (id: string): ServedPeer | undefined {
    let peer = this.#peers.get(id)

    if (peer == null) {
      if (this.#peers.size >= this.#limits.peers && !this.#forget(({ idle }) => idle) && !this.#forget(({ behind, sending }) => behind && sending == null)) {
        this.turnedAway++
        return undefined
      }

      peer = new ServedPeer(id, Math.min(FIRST_MESSAGE, this.#limits.messageBytes))
    } else {
      this.#peers.delete(id)
    }

    this.#peers.set(id, peer)
    return peer
  }

  forget (peer: ServedPeer): void {
    this.clear(peer)
    peer.gone = true

    if (this.#peers.get(peer.id) === peer) {
      this.#peers.delete(peer.id)
    }
  }

  /** Drops all that the peer wants; what is on its way stays */
  clear (peer: ServedPeer): void {
    for (const want of peer.wants.values()) {
      this.remove(want)
    }

    peer.presences.clear()
  }

  /** A want-list replaces the one before: drops what it does not repeat */
  keepOnly (peer: ServedPeer, entries: readonly WantEntry[]): void {
    const kept = new Set(entries.map(entry => wantId(entry)))

    for (const want of peer.wants.values()) {
      if (!kept.has(want.id)) {
        this.remove(want)
      }
    }

    for (const id of [...peer.presences.keys(), ...peer.sending?.blocks.keys() ?? [], ...peer.sending?.presences.keys() ?? []]) {
      if (!kept.has(id)) {
        peer.presences.delete(id)
        peer.withdraw(id)
      }
    }
  }

  cancel (peer: ServedPeer, entry: WantEntry): void {
    const id = wantId(entry)
    const want = peer.wants.get(id)
    peer.presences.delete(id)
    peer.withdraw(id)

    if (want != null) {
      this.remove(want)
    }
  }

  /** Takes a want up, or merges it with the one that is there */
  add (peer: ServedPeer, entry: WantEntry): void {
    const id = wantId(entry)

    if (peer.sending?.blocks.has(id) === true) {
      // the block is on its way
      peer.sending.cancelled.delete(id)
      return
    }

    const known = peer.wants.get(id)

    if (known != null) {
      this.#merge(known, entry)
      return
    }

    if (peer.presences.get(id)?.type === 'have' && entry.type === 'have') {
      return
    }

    const want: ServedWant = {
      peer,
      id,
      key: entry.key,
      cid: entry.cid,
      order: this.#order++,
      type: entry.type,
      priority: entry.priority,
      sendDontHave: entry.sendDontHave,
      state: 'over',
      charged: 0
    }

    if (!this.#makeRoom(want)) {
      this.dropped++
      return
    }

    peer.presences.delete(id)
    peer.wants.set(id, want)
    this.#wants++
    this.queue(want)
  }

  /** What a message would have answered is to be answered once more */
  restore (peer: ServedPeer, { blocks, presences, cancelled }: Sending): void {
    for (const [id, want] of blocks) {
      if (!cancelled.has(id) && !peer.wants.has(id) && this.#makeRoom(want)) {
        peer.wants.set(id, want)
        this.#wants++
        this.#park(want, 'read')
      }
    }

    for (const [id, answer] of presences) {
      if (!cancelled.has(id) && !peer.wants.has(id) && !peer.presences.has(id)) {
        peer.presences.set(id, answer)
      }
    }
  }

  /** Back to the start: a block is read at once, because whoever asks for one has reason to think it is here */
  queue (want: ServedWant): void {
    this.#park(want, want.type === 'block' ? 'read' : 'look')
  }

  /** The block is not here */
  wait (want: ServedWant): void {
    this.#park(want, 'waiting')
    const set = this.#waiting.get(want.key)

    if (set == null) {
      this.#waiting.set(want.key, new Set([want]))
    } else {
      set.add(want)
    }

    if (want.sendDontHave) {
      want.peer.presences.set(want.id, { cid: want.cid, type: 'dont-have', revealing: true })
    }
  }

  /** Everybody who waits for a block; they wait no longer */
  takeWaiting (key: BlockKey): readonly ServedWant[] {
    const wants = [...this.#waiting.get(key) ?? []]

    for (const want of wants) {
      this.#unpark(want)
      want.peer.presences.delete(want.id)
    }

    return wants
  }

  /** The block should be fetched into memory */
  read (want: ServedWant): void {
    this.#unpark(want)
    this.#park(want, 'read')
  }

  remove (want: ServedWant): void {
    this.#unpark(want)
    want.state = 'over'

    if (want.peer.wants.get(want.id) === want) {
      want.peer.wants.delete(want.id)
      this.#wants--
    }
  }

  #merge (want: ServedWant, entry: WantEntry): void {
    const { state } = want
    const upgraded = want.type === 'have' && entry.type === 'block'
    const parked = state === 'look' || state === 'read' || state === 'waiting'

    if (parked) {
      this.#unpark(want)
    }

    want.priority = entry.priority
    want.sendDontHave = entry.sendDontHave || (state !== 'waiting' && want.sendDontHave)
    want.type = upgraded ? 'block' : want.type

    if (parked) {
      // who asks again for what was not here has it looked for again
      want.peer.presences.delete(want.id)
      this.queue(want)
    }
  }

  #park (want: ServedWant, state: 'look' | 'read' | 'waiting'): void {
    want.state = state
    const { looks, reads, waiting } = want.peer
    ;(state === 'look' ? looks : state === 'read' ? reads : waiting).add(want)
  }

  #unpark (want: ServedWant): void {
    const { peer, state } = want

    if (state === 'look') {
      peer.looks.delete(want)
    } else if (state === 'read') {
      peer.reads.delete(want)
    } else if (state === 'loaded') {
      const loaded = peer.loaded.get(want.id)

      if (loaded != null) {
        peer.loaded.delete(want.id)
        peer.loadedBytes -= loaded.bytes.byteLength
        this.#memory.take(peer, -loaded.bytes.byteLength)
      }
    } else if (state === 'waiting') {
      peer.waiting.delete(want)
      const set = this.#waiting.get(want.key)
      set?.delete(want)

      if (set?.size === 0) {
        this.#waiting.delete(want.key)
      }
    }
  }

  /**
   * Drops what is worth least, if that is less than the newcomer: first wants for
   * blocks that are not here, which may never be, then the lowest priority.
   */
  #makeRoom (newcomer: ServedWant): boolean {
    const { peer } = newcomer
    let from: ServedPeer | undefined

    if (peer.wants.size >= this.#limits.wantsPerPeer) {
      from = peer
    } else if (this.#wants >= this.#limits.wants) {
      from = peer.wants.size > this.#wants / this.#peers.size ? peer : this.#greediest()
    } else {
      return true
    }

    const victim = from.waiting.worst ?? worse(from.looks.worst, from.reads.worst)

    if (victim == null || (from === peer && victim.state !== 'waiting' && isWorse(newcomer, victim))) {
      return false
    }

    from.presences.delete(victim.id)
    this.remove(victim)
    this.dropped++
    return true
  }

  /** Looked for anew when the last one has lost an eighth of what it had: nobody makes us look at everybody for each want */
  #greediest (): ServedPeer {
    if (this.#greedy?.peer.gone === false && this.#greedy.peer.wants.size > this.#greedy.wants * 7 / 8) {
      return this.#greedy.peer
    }

    let greediest: ServedPeer | undefined

    for (const peer of this.#peers.values()) {
      if (greediest == null || peer.wants.size > greediest.wants.size) {
        greediest = peer
      }
    }

    const peer = greediest as ServedPeer
    this.#greedy = { peer, wants: peer.wants.size }
    return peer
  }

  #forget (which: (peer: ServedPeer) => boolean): boolean {
    for (const peer of this.#peers.values()) {
      if (which(peer)) {
        this.forget(peer)
        return true
      }
    }

    return false
  }
}

function worse (a: ServedWant | undefined, b: ServedWant | undefined): ServedWant | undefined {
  return a == null ? b : b == null || isWorse(a, b) ? a : b
}

function wantId ({ cid, key }: WantEntry): string {
  return `${cid.version}.${cid.code}.${key}`
}
