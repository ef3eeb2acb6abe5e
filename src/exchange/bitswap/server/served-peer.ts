import { PriorityList } from './priority-list.ts'
import type { BlockKey } from '../../../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/**
 * Where a want stands:
 * - `look`, `looking`: is the block here?
 * - `read`, `reading`, `loaded`: it is being fetched into memory, or there
 * - `waiting`: it is not here, and will be answered when it arrives
 * - `over`: answered, cancelled or dropped; results that come late are thrown away
 */
export type WantState = 'look' | 'looking' | 'read' | 'reading' | 'loaded' | 'waiting' | 'over'

export interface ServedWant {
  readonly peer: ServedPeer
  /** By CID and not by multihash: the answer must carry the codec that was asked for */
  readonly id: string
  readonly key: BlockKey
  readonly cid: CID
  readonly order: number
  type: 'block' | 'have'
  priority: number
  sendDontHave: boolean
  state: WantState
  /** What a read of it was charged to the peer in advance */
  charged: number
}

/** An answer without a block; a refusal reveals nothing of what is here */
export interface PresenceAnswer {
  readonly cid: CID
  readonly type: 'have' | 'dont-have'
  readonly revealing: boolean
}

export interface Loaded {
  readonly want: ServedWant
  readonly bytes: Uint8Array
}

/** A message on its way */
export interface Sending {
  /** The wants whose blocks are in it */
  readonly blocks: ReadonlyMap<string, ServedWant>
  readonly presences: ReadonlyMap<string, PresenceAnswer>
  /** What of it was cancelled since */
  readonly cancelled: Set<string>
  readonly bytes: number
  readonly startedAt: number
  progressAt: number
  /** It makes room for others: what is in it is sent once more, later */
  setBack: boolean
}

/** Answers without blocks that wait for a peer which has not shown that it reads, sent or not: some hundred bytes each, and a message of them costs little */
const ANSWERS_UNPROVEN = 64

/** What is known about one peer while it is connected */
export class ServedPeer {
  readonly id: string
  readonly wants = new Map<string, ServedWant>()
  readonly looks = new PriorityList<ServedWant>()
  readonly reads = new PriorityList<ServedWant>()
  readonly waiting = new PriorityList<ServedWant>()

  /** Answers that are ready */
  readonly loaded = new Map<string, Loaded>()
  readonly presences = new Map<string, PresenceAnswer>()
  loadedBytes = 0
  /** When the first of them was, on the clock's monotonic scale */
  readySince = 0

  /** Lookups and reads under way */
  looking = 0
  reading = 0
  sending: Sending | undefined

  /** Bytes of blocks in memory for it: being read, loaded, on their way */
  held = 0
  /** Bytes it may still be given in this round; below zero it has had more than its share */
  deficit = 0
  /** It has taken blocks lately, more than buffers on the way could have swallowed */
  proven = false
  taken = 0
  /** Its message made room for others, and it has taken none since */
  behind = false
  /** Bytes that its next message gathers */
  window: number
  /** Mean size of its blocks, for estimates */
  meanBlock = 0

  /** Refusals that it may still be told, and since when they grow back */
  refusals = 0
  refusalsAt = -Infinity
  gone = false

  constructor (id: string, window: number) {
    this.id = id
    this.window = window
  }

  /** So many more answers without blocks may be made ready for it */
  answersLeft (wantsPerPeer: number): number {
    const most = this.proven ? wantsPerPeer : Math.min(ANSWERS_UNPROVEN, wantsPerPeer)
    return most - this.presences.size - (this.sending?.presences.size ?? 0) - this.looking - this.reading
  }

  /** It wants no more of this that is on its way, should that have to be sent once more */
  withdraw (id: string): void {
    if (this.sending?.blocks.has(id) === true || this.sending?.presences.has(id) === true) {
      this.sending.cancelled.add(id)
    }
  }

  get hasAnswers (): boolean {
    return this.loaded.size > 0 || this.presences.size > 0
  }

  /** Nothing would be lost by forgetting it */
  get idle (): boolean {
    return this.wants.size === 0 && this.presences.size === 0 && this.sending == null
  }
}
