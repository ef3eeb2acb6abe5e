import { UnixFSError } from '../interface/errors.ts'
import type { Branch, Opened, OrderedWalkInit, Step, Value } from './ordered-walk.ts'

/** Blocks in flight and waiting while the reader may want no more than a look: 1 MiB of 16 KiB each */
export const FIRST_BLOCKS = 64

/** Windows that may be left in a node when the next one is asked for: one in flight, one until that has arrived */
const LOOK_AHEAD = 2

interface Source<B extends Branch, T> {
  readonly state: 'source'
  readonly steps: Iterator<Step<B, T>>
  readonly held: number
  /** What counts in the window: nothing where the reader waited for the node, or a wide one would leave it no window */
  ahead: number
  /** Not to be touched before the reader has come to it */
  readonly patient: boolean
  /** What is behind the steps that were not taken yet, as far as it is known */
  left: number
  /** Taken already, for which there was no room yet */
  next?: Step<B, T>
}

interface Loading {
  readonly state: 'loading'
  readonly reach: number
  /** What of that counts in the window now */
  reserved: number
  /** Tells the loader that the reader waits */
  needed?: () => void
}

type Item<B extends Branch, T> =
  | Source<B, T>
  | Loading
  | { readonly state: 'spent' }
  | { readonly state: 'ready' } & Value<T>
  | { readonly state: 'failed', readonly error: unknown }

/** One place in the output: a list, since an opened block is replaced by what it holds */
interface Segment<B extends Branch, T> {
  item: Item<B, T>
  next?: Segment<B, T>
}

/** The list of what comes next: read at its front by the walk, and loaded behind that as the window permits */
export class ReadAhead<B extends Branch, T> {
  readonly #init: OrderedWalkInit<B, T>
  #head?: Segment<B, T>
  /** No segment before this one has anything to start */
  #cursor?: Segment<B, T>
  #bytes = 0
  #blocks = 0
  #held = 0
  #mostBlocks: number
  #wake?: () => void

  constructor (init: OrderedWalkInit<B, T>) {
    this.#init = init
    this.#mostBlocks = Math.min(FIRST_BLOCKS, init.windowBlocks)
    this.#head = { item: source([{ branch: init.root }]) }
    this.#cursor = this.#head
  }

  front (): Item<B, T> | undefined {
    return this.#head?.item
  }

  shift (): void {
    const head = this.#head

    if (head == null) {
      return
    }

    if (head.item.state === 'ready') {
      this.#bytes -= head.item.bytes
      this.#blocks -= head.item.blocks
      this.#init.account.release(head.item.bytes)
    }

    if (this.#cursor === head) {
      this.#cursor = head.next
    }

    this.#head = head.next
  }

  /** Starts loads, in order, until the window is full */
  fill (): void {
    while (true) {
      this.#skipSpent()

      const segment = this.#cursor
      const item = segment?.item

      if (segment == null || item == null || item.state === 'failed') {
        return
      } else if (item.state === 'loading') {
        this.#reserve(item)
      } else if (item.state === 'source') {
        this.#lookAhead(segment, item)

        if (!this.#pull(segment, item)) {
          return
        }
      }

      this.#cursor = segment.next
    }
  }

  /** Who comes after nodes that are through is at the front */
  #skipSpent (): void {
    while (this.#head?.item.state === 'spent') {
      this.shift()
    }
  }

  /** Waits for the block at the front */
  async changed (): Promise<void> {
    const front = this.#head?.item

    this.#init.window.waited()

    if (front?.state === 'loading') {
      front.needed?.()
      front.needed = undefined
    }

    return new Promise(resolve => { this.#wake = resolve })
  }

  /** The reader has come back for more */
  goesOn (): void {
    this.#mostBlocks = this.#init.windowBlocks
    this.#init.window.goesOn()
  }

  wake (): void {
    this.#wake?.()
    this.#wake = undefined
  }

  stop (): void {
    this.#head = undefined
    this.#cursor = undefined
    this.#init.account.close()
  }

  /** Puts what comes next in a node before the rest of it; false when there is no room */
  #pull (segment: Segment<B, T>, item: Source<B, T>): boolean {
    const front = segment === this.#head

    if ((item.patient && !front) || !this.#peek(segment, item)) {
      return false
    }

    const step = item.next

    if (step == null) {
      segment.item = { state: 'spent' }
      this.#hold(-item.held, -item.ahead)
      return true
    }

    const [cost, paid] = 'branch' in step ? [step.branch.cost, 0] : [step.bytes, Math.min(step.bytes, item.ahead)]

    if (front) {
      this.#init.account.force(cost)
    } else if (!this.#room(cost, paid)) {
      return false
    }

    this.#take(segment, item)

    if ('branch' in step) {
      void this.#load(segment, step.branch, front, step.branch.reach)
    } else {
      item.ahead -= paid
      this.#bytes += step.bytes - paid
      this.#blocks += step.blocks
      segment.item = { state: 'ready', ...step }
    }

    return true
  }

  /**
   * In its turn, the node after one that is nearly through would be asked for last,
   * and its first leaf a whole delay after all else has arrived: so it is asked for
   * sooner. What is behind it is reserved when its turn comes.
   */
  #lookAhead (segment: Segment<B, T>, { left }: Source<B, T>): void {
    if (segment === this.#head || left > LOOK_AHEAD * this.#init.window.bytes) {
      return
    }

    let after = segment.next

    while (after?.item.state === 'spent' || (after?.item.state === 'source' && this.#peek(after, after.item) && after.item.next == null)) {
      after = after.next
    }

    if (after?.item.state !== 'source' || after.item.patient) {
      return
    }

    const step = after.item.next

    if (step != null && 'branch' in step && step.branch.cost < step.branch.reach && this.#room(step.branch.cost)) {
      this.#take(after, after.item)
      void this.#load(after, step.branch, false, step.branch.cost)
    }
  }

  #reserve (item: Loading): void {
    this.#bytes += item.reach - item.reserved
    item.reserved = item.reach
  }

  /** Looks at the next step of a node; false when there is none because the node is malformed there */
  #peek (segment: Segment<B, T>, item: Source<B, T>): boolean {
    try {
      item.next ??= next(item.steps)
      return true
    } catch (error) {
      segment.item = { state: 'failed', error }
      this.#hold(-item.held, -item.ahead)
      return false
    }
  }

  /** Makes room in the list for the step that was looked at */
  #take (segment: Segment<B, T>, item: Source<B, T>): void {
    if (item.next != null && 'branch' in item.next) {
      item.left -= item.next.branch.reach
    }

    item.next = undefined
    segment.next = { item, next: segment.next }
  }

  #room (bytes: number, paid = 0): boolean {
    const { window, account } = this.#init

    return this.#bytes + bytes - paid <= Math.min(window.bytes, account.share) && this.#blocks < this.#mostBlocks && account.take(bytes)
  }

  #hold (held: number, ahead: number): void {
    this.#held += held
    this.#bytes += ahead
    this.#init.account.force(held)
  }

  async #load (segment: Segment<B, T>, branch: B, front: boolean, reserved: number): Promise<void> {
    const { load, open, window, account, signal } = this.#init
    const { cid, size, part, cost, reach } = branch
    const arrived = window.ask()
    const ahead = front ? undefined : Promise.withResolvers<void>()
    const loading: Loading = { state: 'loading', reach, reserved, needed: ahead?.resolve }

    segment.item = loading
    this.#bytes += reserved
    this.#blocks++

    try {
      const block = await load(cid, { signal, size, part, ...(ahead == null ? {} : { purpose: 'prefetch', needed: ahead.promise }) })

      if (this.#head != null) {
        arrived(block.byteLength)
        this.#replace(segment, branch, open(branch, block))
      }
    } catch (error) {
      segment.item = { state: 'failed', error }
    }

    this.#bytes -= loading.reserved
    this.#blocks--
    account.release(cost)

    if (this.#head != null) {
      // What was opened may wait anywhere behind the front
      this.#cursor = this.#head
      this.fill()
      this.wake()
    }
  }

  #replace (segment: Segment<B, T>, branch: B, { own, steps, held = 0, ahead = 0 }: Opened<B, T>): void {
    const front = segment === this.#head
    const { maxHeld, maxHeldAhead, account } = this.#init

    if (held > 0 && !front && this.#held + held > maxHeldAhead) {
      segment.item = source<B, T>([{ branch }], { patient: true })
      return
    }

    if (this.#held + held > maxHeld) {
      throw new UnixFSError('too-large', `More than ${maxHeld} bytes of links are waiting to be read, the last in ${branch.cid}`)
    }

    if (steps == null) {
      segment.item = { state: 'spent' }
    } else {
      segment.item = source(steps, { held, ahead: front ? 0 : ahead, left: branch.reach })
      this.#hold(held, segment.item.ahead)
    }

    if (own != null) {
      segment.next = { item: segment.item, next: segment.next }
      segment.item = { state: 'ready', ...own }
      this.#bytes += own.bytes
      this.#blocks += own.blocks
      account.force(own.bytes)
    }
  }
}

function source<B extends Branch, T> (steps: Iterable<Step<B, T>>, { held = 0, ahead = 0, left = Infinity, patient = false } = {}): Source<B, T> {
  return { state: 'source', steps: steps[Symbol.iterator](), held, ahead, left, patient }
}

function next<T> (iterator: Iterator<T>): T | undefined {
  const result = iterator.next()

  return result.done === true ? undefined : result.value
}
