import { Learned } from './experts/learned.ts'
import { FrequencySketch } from './frequency-sketch.ts'
import { Panel } from './panel.ts'
import { Residents } from './residents.ts'
import { EXPERTS, VOTES } from './roster.ts'
import { NONE, SlotLists } from './slot-lists.ts'
import type { EvictionPolicy } from './eviction-policy.ts'
import type { ExpertName } from './roster.ts'
import type { Random } from '../../interface/clock.ts'

export interface AdaptivePolicyInit {
  /** In bytes */
  readonly capacity: number
  readonly random: Random
  /** Keys that are watched to learn whom to follow; with more than that, a sample of them. @default 65536 */
  readonly maxEntries?: number
}

export interface AdaptivePolicy extends EvictionPolicy {
  /** The expert that is followed */
  readonly leader: ExpertName
}

/** "PEP" and the version of what follows: the leader, the salt, what the expert that learns has learnt, then the sketch */
const MAGIC = [0x50, 0x45, 0x50, 2] as const
const SALT_AT = MAGIC.length + 1
const LEARNT_AT = SALT_AT + 4
const SKETCH_AT = LEARNT_AT + Learned.SAVED_BYTES

/**
 * Follows the best of some policies, and changes over when another is better: keeps what is recent, what
 * is worth its bytes, what is frequent or comes again at short intervals, or, where blocks differ in size, what it has
 * learnt to come again soon. While there are few enough blocks, those go first that the leader would not have kept (and of these, those that the
 * others would not either); with more, the leader's rule is applied to the blocks themselves.
 */
export function adaptivePolicy (init: AdaptivePolicyInit): AdaptivePolicy {
  return new PanelPolicy(init)
}

class PanelPolicy implements AdaptivePolicy {
  readonly #requests = { now: 0, halfLife: 1 }
  readonly #sketch = new FrequencySketch()
  readonly #residents: Residents
  readonly #panel: Panel
  /** A list for each set of experts, of the blocks that just they would have kept; none while only a sample is watched */
  #votes: SlotLists | undefined = new SlotLists(VOTES)
  /** The sets of experts, those with least to say first */
  #order: number[] = []
  #capacity: number
  /** Nobody is to know whose counters a key shares */
  #salt: number

  constructor ({ capacity, random, maxEntries }: AdaptivePolicyInit) {
    this.#capacity = capacity
    this.#salt = Math.floor(random.next() * 0x100000000)
    this.#panel = new Panel({
      capacity,
      sketch: this.#sketch,
      requests: this.#requests,
      maxEntries,
      moved: (slot, votes) => this.#votes?.push(votes, slot),
      led: () => this.#led(),
      rescored: () => this.#residents.rescore()
    })
    this.#residents = new Residents({ requests: this.#requests, sketch: this.#sketch, learned: this.#panel.learned, capacity })
    this.#led()
  }

  get capacity (): number {
    return this.#capacity
  }

  get used (): number {
    return this.#residents.used
  }

  get windowBytes (): number {
    return Math.floor(this.#capacity * this.#panel.windowShare)
  }

  get leader (): ExpertName {
    return this.#panel.leader
  }

  hit (slot: number): void {
    if (!this.#residents.has(slot)) {
      return
    }

    const hash = this.#residents.hash(slot)
    this.#ask(hash)
    this.#residents.touch(slot)
    this.#votes?.push(this.#panel.votes(slot, hash), slot)
  }

  miss (hash: number): void {
    this.#ask((hash ^ this.#salt) >>> 0)
  }

  insert (slot: number, keyHash: number, size: number): number[] {
    const hash = (keyHash ^ this.#salt) >>> 0
    this.remove(slot)

    if (size > this.#capacity) {
      return [slot]
    }

    this.#residents.add(slot, hash, size)
    this.#sketch.fit(this.#residents.count)
    this.#panel.arrive(slot, hash, size)
    this.#votes?.push(this.#panel.votes(slot, hash), slot)
    return this.#shrink()
  }

  remove (slot: number): void {
    if (this.#residents.has(slot)) {
      this.#panel.removed(slot, this.#residents.hash(slot))
      this.#drop(slot)
    }
  }

  resize (capacity: number): number[] {
    this.#capacity = capacity
    this.#panel.resize(capacity)
    this.#residents.resize(capacity)
    return this.#shrink()
  }

  save (): Uint8Array {
    const sketch = this.#sketch.save()
    const saved = new Uint8Array(SKETCH_AT + sketch.length)
    saved.set([...MAGIC, EXPERTS.indexOf(this.leader)])
    new DataView(saved.buffer).setUint32(SALT_AT, this.#salt)
    saved.set(this.#panel.learned.save(), LEARNT_AT)
    saved.set(sketch, SKETCH_AT)
    return saved
  }

  restore (saved: Uint8Array): void {
    if (this.#residents.count > 0) {
      // These are known by the salt of now
      return
    }

    const leader = EXPERTS[saved[MAGIC.length] ?? NONE]
    const learnt = saved.subarray(LEARNT_AT, SKETCH_AT)

    if (leader !== undefined && MAGIC.every((byte, i) => saved[i] === byte) && Learned.canRestore(learnt) && this.#sketch.restore(saved.subarray(SKETCH_AT))) {
      this.#salt = new DataView(saved.buffer, saved.byteOffset).getUint32(SALT_AT)
      this.#panel.learned.restore(learnt)
      this.#panel.lead(leader)
    }
  }

  #ask (hash: number): void {
    this.#requests.now = (this.#requests.now + 1) >>> 0
    this.#sketch.add(hash)
    this.#panel.ask(hash, this.#residents.count)
  }

  #shrink (): number[] {
    const evicted: number[] = []

    while (this.#residents.used > this.#capacity) {
      const slot = this.#victim()
      this.#panel.evicted(slot, this.#residents.hash(slot))
      this.#drop(slot)
      evicted.push(slot)
    }

    return evicted
  }

  #victim (): number {
    if (this.#votes !== undefined) {
      for (const votes of this.#order) {
        const slot = this.#votes.oldest(votes)

        if (slot !== NONE) {
          return slot
        }
      }
    }

    switch (this.leader) {
      case 'learned': return this.#residents.leastLearned()
      case 'worthy': return this.#residents.leastWorthy()
      case 'frequent': return this.#residents.leastFrequent()
      default: return this.#residents.longestUnasked()
    }
  }

  #drop (slot: number): void {
    this.#votes?.unlink(slot)
    this.#residents.delete(slot)
  }

  #led (): void {
    this.#order = this.#panel.order()

    if (this.#panel.sampled) {
      this.#votes = undefined
      this.#residents.rank(this.#panel.sized)
    }
  }
}
