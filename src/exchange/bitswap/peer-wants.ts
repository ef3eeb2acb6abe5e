import { LateBlocks, kindOf } from './late-blocks.ts'
import { PeerCancels } from './peer-cancels.ts'
import { Tally } from './tally.ts'
import { fits, heard, tell, wantedBlock, withdrawn } from './wanted-block.ts'
import { UnfinishedBlocks } from './unfinished-blocks.ts'
import { WirePriorities } from './wire-priority.ts'
import type { BlockPrefix, OutgoingMessage } from './message.ts'
import type { Acceptance, Unfinished } from './network.ts'
import type { Waiter, WantedBlock } from './wanted-block.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { BlockKey } from '../../interface/provider.ts'

export interface WantBatch {
  readonly message: OutgoingMessage
  readonly disclosures: Disclosure[]
  readonly cancelled: Disclosure[]
}

/** Lines of one message: about 16 KiB, which is one TLS record */
const MAX_BATCH = 256
/** Answers that a peer may give to others first, besides those that asked before */
const PATIENCE = 16

/** What is wanted from one peer, and what it was told of that. No I/O. */
export class PeerWants {
  readonly #clock: Clock
  readonly #wanted = new Map<BlockKey, WantedBlock>()
  readonly #queue = new Map<BlockKey, WantedBlock>()
  readonly #cancels: PeerCancels
  readonly #late: LateBlocks
  readonly #unfinished: UnfinishedBlocks
  /** Wants on the wire, by what their blocks look like */
  readonly #kinds = new Tally()
  readonly #priorities = new WirePriorities()
  #answered = 0

  constructor (clock: Clock) {
    this.#clock = clock
    this.#cancels = new PeerCancels(clock)
    this.#late = new LateBlocks(clock)
    this.#unfinished = new UnfinishedBlocks(this.#late)
  }

  /** Blocks wanted, written or not */
  get size (): number {
    return this.#wanted.size
  }

  /** Is there something to write? */
  get pending (): boolean {
    return this.#queue.size > 0 || this.#cancels.size > 0
  }

  /** Is the peer expected to answer something? */
  get asked (): boolean {
    return this.#kinds.any
  }

  /** Nothing is wanted, nothing to be written, and nothing that may come late */
  get idle (): boolean {
    return this.#wanted.size === 0 && this.#cancels.size === 0 && this.#late.size === 0
  }

  get all (): IterableIterator<WantedBlock> {
    return this.#wanted.values()
  }

  /** Answers of any kind so far */
  get answered (): number {
    return this.#answered
  }

  join (waiter: Waiter): WantedBlock {
    const { key } = waiter.want
    const known = this.#wanted.get(key)

    if (known != null) {
      known.waiters.add(waiter)
      if (known.flushedAt != null && !this.#queue.has(key)) {
        tell(known, waiter)
      }
      return known
    }

    const cancelled = this.#cancels.withdraw(key)
    const wanted = wantedBlock(waiter, cancelled)
    this.#wanted.set(key, wanted)

    if (cancelled == null || cancelled.lost || cancelled.type !== wanted.type) {
      this.#queue.set(key, wanted)
    } else { // the peer has not been told that we lost interest: it need not be told that we found it again
      this.#flushed(wanted)
      tell(wanted, waiter)
    }

    return wanted
  }

  /** Is the peer asked for the block already, or about to be told to forget it? */
  knows (key: BlockKey): boolean {
    return this.#wanted.get(key)?.type === 'block' || this.#cancels.has(key)
  }

  /** From now on the block itself is wanted, where the peer was only asked whether it has it; returns those who asked that */
  upgrade (key: BlockKey): Waiter[] {
    const wanted = this.#wanted.get(key)

    if (wanted?.type !== 'have') {
      return []
    }

    const askers = [...wanted.waiters]
    wanted.type = 'block'
    wanted.waiters.clear()
    this.#queue.set(key, wanted)
    withdrawn(wanted, askers)
    return askers
  }

  /** What only a later version of the protocol has words for: taken back unseen */
  unspeakable (): WantedBlock[] {
    const questions = [...this.#queue.values()].filter(({ type }) => type === 'have')
    questions.forEach(wanted => { this.drop(wanted) })
    return questions
  }

  /** The last to leave withdraws the want, on the wire if it is there */
  leave (wanted: WantedBlock, waiter: Waiter): void {
    wanted.waiters.delete(waiter)
    withdrawn(wanted, [waiter])

    if (wanted.waiters.size === 0 && this.#wanted.get(wanted.key) === wanted) {
      this.drop(wanted)
    }
  }

  /** The next message, and what it settles. All of it counts as written. */
  take (): WantBatch | undefined {
    const disclosures: Disclosure[] = []
    const cancelled: Disclosure[] = []
    // first: the peer may be busy with what nobody wants
    const wants = this.#cancels.take(MAX_BATCH, cancelled)

    for (const [key, wanted] of this.#queue) {
      if (wants.length === MAX_BATCH) {
        break
      }
      let priority = -Infinity
      this.#queue.delete(key)

      for (const waiter of wanted.waiters) {
        priority = Math.max(priority, waiter.priority)

        // written before, and perhaps read: told of once more
        const disclosure = wanted.told.includes(waiter.disclosure) ? waiter.disclosure.also() : waiter.disclosure
        wanted.told.push(disclosure)
        disclosures.push(disclosure)
      }

      this.#flushed(wanted)
      wanted.lines++
      wants.push({ cid: wanted.cid, type: wanted.type, priority: this.#priorities.next(priority), sendDontHave: true })
    }

    return wants.length === 0 ? undefined : { message: { wants }, disclosures, cancelled }
  }

  /** Is a block like this on its way? `late` blocks are nobody's fault, but of no use either. */
  expects (prefix: BlockPrefix, length: number, unfinished: Unfinished): Acceptance {
    const kind = kindOf(prefix)
    const fitting = this.#kinds.of(kind) > 0 && this.#fitting(kind, length)

    if (fitting && this.#unfinished.admits(kind, this.#kinds.of(kind))) {
      this.#unfinished.add(unfinished, kind)
      return 'yes'
    }

    return this.#late.excuseKind(kind) ? 'late' : fitting ? 'spare' : 'no'
  }

  /** It is complete, or will never be: there is room for another one */
  finished (unfinished: Unfinished): void {
    this.#unfinished.delete(unfinished)
  }

  /** A block turned out to be this one: those who wait for it, and it is wanted no more */
  deliver (key: BlockKey): WantedBlock | undefined {
    const wanted = this.#wanted.get(key)
    this.#answered++

    if (wanted == null) {
      this.#cancels.answered(key)
      return undefined
    }

    this.#remove(wanted)
    this.#cancels.repeat(wanted)

    withdrawn(wanted)

    if (wanted.flushedAt != null) {
      heard(wanted)
      this.#late.add(key, wanted.kind, false, wanted.lines - 1)
      this.#trim(wanted.kind)
    }

    return wanted
  }

  /** Was it wanted until a moment ago? */
  excuse (key: BlockKey): boolean {
    return this.#late.excuse(key)
  }

  /** The peer has it not. It would remember that we want it, and send it one day: it is told to forget. */
  notHere (key: BlockKey): WantedBlock | undefined {
    const wanted = this.#wanted.get(key)

    if (wanted?.flushedAt == null) {
      this.#cancels.answered(key)
      return undefined
    }

    this.#answered++
    heard(wanted)
    this.drop(wanted)
    return wanted
  }

  /** The peer has what it was only asked about, and has nothing more to say of it */
  here (key: BlockKey): WantedBlock | undefined {
    const wanted = this.#wanted.get(key)

    if (wanted?.type !== 'have' || wanted.flushedAt == null) {
      this.#cancels.answered(key)
      return undefined
    }

    this.#answered++
    heard(wanted)
    this.#remove(wanted)
    withdrawn(wanted)
    this.#cancels.repeat(wanted)
    this.#trim(wanted.kind)
    return wanted
  }

  /** The one that has waited longest for a block of this kind: it pays for a block that is none of ours */
  oldest (kind: string): WantedBlock | undefined {
    for (const wanted of this.#wanted.values()) {
      if (wanted.kind === kind && wanted.flushedAt != null) {
        return wanted
      }
    }

    return undefined
  }

  /** Gives up on one; the peer is told */
  drop (wanted: WantedBlock): void {
    const unsaid = this.#queue.has(wanted.key)
    this.#remove(wanted)

    this.#cancels.add(wanted, unsaid)

    withdrawn(wanted)

    if (wanted.flushedAt != null) {
      this.#late.add(wanted.key, wanted.kind, true, wanted.lines)
      this.#trim(wanted.kind)
    }
  }

  /** The stream broke: what was written once is written again (CANCELs too), what was written twice is given back */
  rewind (): WantedBlock[] {
    const lost: WantedBlock[] = []
    this.#cancels.rewind()

    for (const wanted of this.#wanted.values()) {
      if (wanted.flushedAt == null) {
        continue
      }

      if (wanted.again) {
        lost.push(wanted)
      } else {
        wanted.again = true
        this.#queue.set(wanted.key, wanted)
      }
    }

    for (const wanted of lost) {
      this.drop(wanted)
    }

    return lost
  }

  /** The peer is gone, and with it what it knew */
  clear (): WantedBlock[] {
    const lost = [...this.#wanted.values()]
    lost.forEach(wanted => {
      this.#remove(wanted)
      this.#trim(wanted.kind)
      withdrawn(wanted)
    })

    this.#cancels.clear()
    return lost
  }

  #fitting (kind: string, length: number): boolean {
    for (const { kind: other, waiters, flushedAt } of this.#wanted.values()) {
      if (other === kind && flushedAt != null && fits(waiters, length)) {
        return true
      }
    }

    return false
  }

  /** Whoever finds again what may have been dropped has to ask for it again */
  #trim (kind: string): void {
    if (this.#unfinished.trim(kind, this.#kinds.of(kind))) {
      this.#cancels.lose(kind)
    }
  }

  #flushed (wanted: WantedBlock): void {
    if (wanted.flushedAt == null) {
      this.#kinds.add(wanted.kind)
    }

    wanted.flushedAt = this.#clock.now()
    wanted.believedUntil = this.#answered + 2 * this.#wanted.size + PATIENCE
  }

  #remove (wanted: WantedBlock): void {
    this.#wanted.delete(wanted.key)
    this.#queue.delete(wanted.key)

    if (this.#wanted.size === 0) {
      this.#priorities.reset()
    }
    if (wanted.flushedAt != null) {
      this.#kinds.remove(wanted.kind)
    }
  }
}
