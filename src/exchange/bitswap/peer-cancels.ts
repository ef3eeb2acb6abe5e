import type { OutgoingMessage } from './message.ts'
import type { WantedBlock } from './wanted-block.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { BlockKey } from '../../interface/provider.ts'

/** A CANCEL that was written so long ago, in ms, was read: what is reset now did not overtake it */
const IN_DOUBT = 10_000
/** Of those that may not have been read: as many as wants may be out at one peer */
const MAX_IN_DOUBT = 1_024

export interface Cancellation extends Pick<WantedBlock, 'cid' | 'kind' | 'type' | 'lines'> {
  readonly told: readonly Disclosure[]
  /** The peer may have forgotten it, or what was on its way may have been dropped since */
  lost: boolean
  /** It was written before, on a stream that broke */
  readonly again: boolean
}

/** What one peer is to be told, or was told a moment ago, to forget. No I/O. */
export class PeerCancels {
  readonly #clock: Clock
  readonly #due = new Map<BlockKey, Cancellation>()
  readonly #written = new Map<BlockKey, { readonly cancellation: Cancellation, readonly at: number }>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** To be written */
  get size (): number {
    return this.#due.size
  }

  has (key: BlockKey): boolean {
    return this.#due.has(key)
  }

  /** @param unsaid - it was to be written once more, and was not */
  add (wanted: WantedBlock, unsaid: boolean): void {
    if (wanted.lines > 0) {
      this.#due.set(wanted.key, cancellation(wanted, unsaid))
    }
  }

  /** It was answered. Who was asked twice may read the second line only now, and would answer again. */
  repeat (wanted: WantedBlock): void {
    if (wanted.lines > 1) {
      this.#due.set(wanted.key, cancellation(wanted, true))
    }
  }

  /** It is wanted again; returns the CANCEL that is never written now, or may not have been read yet */
  withdraw (key: BlockKey): Cancellation | undefined {
    const due = this.#due.get(key)
    const written = this.#written.get(key)
    this.#due.delete(key)
    this.#written.delete(key)
    // of a CANCEL that a break has overtaken the next one takes its place: for those whom none has reached yet
    return due ?? (written == null ? undefined : { ...written.cancellation, told: written.cancellation.told.filter(({ cancelled }) => !cancelled), lost: true })
  }

  /** An answer crossed it: the peer may have forgotten by itself */
  answered (key: BlockKey): void {
    const cancellation = this.#due.get(key)

    if (cancellation != null) {
      cancellation.lost = true
    }
  }

  /** What came of blocks of this kind was dropped: whoever wants one again has to ask for it again */
  lose (kind: string): void {
    for (const cancellation of this.#due.values()) {
      cancellation.lost ||= cancellation.kind === kind
    }
  }

  /** The next `max` lines; all of them count as written. Appends whose want they cancel. */
  take (max: number, cancelled: Disclosure[]): Array<NonNullable<OutgoingMessage['wants']>[number]> {
    const lines: Array<NonNullable<OutgoingMessage['wants']>[number]> = []
    const now = this.#clock.now()

    for (const [key, cancellation] of this.#due) {
      if (lines.length === max) {
        break
      }

      this.#due.delete(key)
      lines.push({ cid: cancellation.cid, type: 'block', priority: 0, cancel: true })
      cancelled.push(...cancellation.told)
      this.#written.delete(key)
      this.#written.set(key, { cancellation, at: now })
    }

    this.#expire(now)
    return lines
  }

  /** The stream broke: what was written a moment ago may not have been read, neither wants nor CANCELs; these are written again */
  rewind (): void {
    this.#expire(this.#clock.now())

    for (const cancellation of this.#due.values()) {
      cancellation.lost = true
    }

    for (const [key, { cancellation }] of this.#written) {
      // once more is enough: a peer that ends each stream would otherwise be told for ever
      if (!cancellation.again) {
        this.#due.set(key, { ...cancellation, lost: true, again: true })
      }
    }

    this.#written.clear()
  }

  clear (): void {
    this.#due.clear()
    this.#written.clear()
  }

  #expire (now: number): void {
    for (const [key, { at }] of this.#written) {
      if (now - at < IN_DOUBT && this.#written.size <= MAX_IN_DOUBT) {
        return
      }
      this.#written.delete(key)
    }
  }
}

function cancellation ({ cid, kind, type, told, lines }: WantedBlock, lost: boolean): Cancellation {
  return { cid, kind, type, told, lines, lost, again: false }
}
