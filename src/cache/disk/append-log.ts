import { writeFully } from './files.ts'
import { PromptWrites } from './prompt-writes.ts'
import type { Clock } from '../../interface/clock.ts'
import type { CacheFile } from './files.ts'
import type { Append, Begun, Entry, Head, Placed } from './log-entries.ts'
import type { Segment } from './segment.ts'

/** One call of the system: larger ones are no faster, and hold a thread of the pool for longer */
const MAX_BATCH_BYTES = 4_194_304
/** Of Linux and most others: IOV_MAX is 1 024 */
const MAX_BATCH_BUFFERS = 1_000
/** In one call on the thread that asks: of 32 records of 1 KiB each takes 0.45 us, of 8 0.85, alone 1.8 */
export const MAX_GATHERED = 32
/** As long as one of them may be, and as long as another can wait for it: 20 us */
export const MAX_GATHERED_BYTES = 65_536

/** A record that is being written while it is not known whether it is to be one. In the turn in which it was begun one of the two is called */
interface BegunRecord {
  /** As `append` */
  finish (head: Uint8Array, placed: Placed): Promise<void>
  /** Resolves when nothing of it is left, or nothing more can be done about it */
  drop (): Promise<void>
}

/** Called with the place of the first, when the operating system has all that was gathered; with nothing, when it has none of it */
export type Gathered = (segment?: Segment, offset?: number) => void

export interface LogComponents {
  /** The segment to go on with, or a new one when `bytes` do not fit any more */
  active (bytes: number): Promise<{ segment: Segment, file: CacheFile }>
  /** As `active`, where nothing has to be opened, and nothing that could take long is being done to the files */
  activeNow (bytes: number): { segment: Segment, file: CacheFile } | undefined
  /** As `active`, where nothing has to be opened */
  activeOpen (bytes: number): { segment: Segment, file: CacheFile } | undefined
  /** Its tail is broken and cannot be cut off: never to be written to again. At `offsets` there may be records that nobody knows of */
  abandon (segment: Segment, why: unknown, offsets: readonly number[]): void
}

/**
 * Writes one after the other. What comes while one is under way shares the next
 * call of the system, so that many small blocks cost few calls and nobody waits
 * for company.
 */
export class AppendLog {
  readonly #components: LogComponents
  readonly #clock: Clock
  readonly #prompt: PromptWrites
  /** What is gathered, one after the other: the system has copied it when `flush` returns */
  gathering = Buffer.alloc(0)
  /** Called by `flush`. What it does with `gathering` is over when it returns */
  onGathered: Gathered = () => {}
  #gathered: number[] = []
  #gatheredBytes = 0
  #queue: Entry[] = []
  #running?: Promise<void>

  constructor (components: LogComponents, clock: Clock) {
    this.#components = components
    this.#clock = clock
    this.#prompt = new PromptWrites(clock)
  }

  /** Whether `appendNow` would be tried */
  isPrompt (bytes: number): boolean {
    return this.#running == null && this.#prompt.allows(bytes)
  }

  /**
   * As `append` of one small record, in this turn: nothing else comes between. Not while anything else is under way.
   *
   * @returns whether it was done; when it was not, `append` is the way, and finds out about faults
   */
  appendNow (record: Uint8Array, placed: Placed): boolean {
    this.flush()
    const bytes = record.byteLength
    const target = this.isPrompt(bytes) ? this.#components.activeNow(bytes) : undefined

    if (target?.file.writeNow == null) {
      return false
    }
    const { segment, file } = target
    const offset = segment.size

    segment.synced = false
    if (this.#prompt.run(bytes, () => file.writeNow?.(record, offset) ?? 0) < bytes) {
      this.#enqueue({ type: 'cut', segment, file, lengths: [bytes] })
      return false
    }
    place(segment, bytes, placed)
    return true
  }

  /**
   * As `appendNow`, by one call for all that come in this turn. Whatever else is to be written flushes them first, so that
   * nothing comes between.
   *
   * @returns where in `gathering` the caller writes the record before it returns; -1 when there is no room in it, or when `append` is the way
   */
  gather (bytes: number): number {
    const at = this.#gatheredBytes

    if (this.#running != null || at + bytes > MAX_GATHERED_BYTES || this.#gathered.length === MAX_GATHERED || !this.#prompt.allows(bytes, at) || this.#components.activeNow(at + bytes)?.file.writeNow == null) {
      return -1
    }
    if (this.gathering.byteLength === 0) {
      this.gathering = Buffer.allocUnsafeSlow(MAX_GATHERED_BYTES)
    }
    if (at === 0) {
      // a microtask of Node's own carries a context, which takes longer than the write
      void Promise.resolve().then(() => { this.flush() })
    }
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes
    return at
  }

  /** Writes what was gathered, if anything was: whoever gathered it is told before this returns */
  flush (): void {
    const bytes = this.#gatheredBytes

    if (bytes === 0) {
      return
    }
    const lengths = this.#gathered
    const target = this.#components.activeNow(bytes)
    this.#gathered = []
    this.#gatheredBytes = 0

    if (target == null) {
      this.onGathered()
      return
    }
    const { segment, file } = target
    const offset = segment.size

    segment.synced = false
    if (this.#prompt.run(bytes, () => file.writeNow?.(this.gathering.subarray(0, bytes), offset) ?? 0) < bytes) {
      this.#enqueue({ type: 'cut', segment, file, lengths })
      this.onGathered()
      return
    }
    place(segment, bytes, this.onGathered)
  }

  /** Resolves when the operating system has it. A failure leaves no trace of it, and the log as it was */
  async append (buffers: readonly Uint8Array[], placed: Placed): Promise<void> {
    const bytes = total(buffers)

    return new Promise((resolve, reject) => {
      this.#enqueue({ type: 'append', buffers, bytes, placed, resolve, reject })
    })
  }

  /**
   * Begins to write a record at once, while nothing else is under way. The first of the buffers is a blank in the place of
   * its head, so that there is room for that; the system reads the others as long as it writes.
   *
   * @returns undefined when it was not begun, and `append` is the way
   */
  begin (buffers: readonly Uint8Array[]): BegunRecord | undefined {
    this.flush()
    const bytes = total(buffers)
    const target = this.#running == null ? this.#components.activeOpen(bytes) : undefined

    if (target == null) {
      return undefined
    }
    const { segment, file } = target
    const began = this.#clock.now()
    const answered = (failure?: unknown): unknown => {
      this.#prompt.answered(began, failure !== undefined)
      return failure
    }
    const decision = Promise.withResolvers<Head | undefined>()
    const over = Promise.withResolvers<void>()

    segment.synced = false
    const written = writeFully(file, buffers, segment.size).then(() => answered(), answered)
    this.#enqueue({ type: 'begun', segment, file, bytes, written, decided: decision.promise, over: over.resolve })
    return {
      finish: async (head, placed) => {
        decision.resolve({ bytes: head, placed, reject: over.reject })
        return over.promise
      },
      drop: async () => {
        decision.resolve(undefined)
        return over.promise
      }
    }
  }

  /** Runs between two writes, in the order of the log */
  async turn (run: () => void): Promise<void> {
    return new Promise(resolve => {
      this.#enqueue({
        type: 'turn',
        run: () => {
          run()
          resolve()
        }
      })
    })
  }

  /** Resolves when nothing is under way */
  async idle (): Promise<void> {
    this.flush()
    while (this.#running != null) {
      await this.#running
    }
  }

  #enqueue (entry: Entry): void {
    this.flush()
    this.#queue.push(entry)
    this.#running ??= this.#run()
  }

  async #run (): Promise<void> {
    // those that are written in the same turn of the event loop share a call, too
    await Promise.resolve()

    for (let first; (first = this.#queue[0]) != null;) {
      if (first.type === 'turn') {
        this.#queue.shift()
        first.run()
        continue
      }
      if (first.type === 'cut') {
        await this.#cutTail(first.segment, first.file, first.lengths)
        this.#queue.shift()
        continue
      }
      if (first.type === 'begun') {
        this.#queue.shift()
        await this.#end(first)
        continue
      }
      let target
      try {
        target = await this.#components.active(first.bytes)
      } catch (err) {
        // one by one: the next may need less
        this.#queue.shift()
        first.reject(err)
        continue
      }
      await this.#write(this.#take(target.segment), target.segment, target.file)
    }
    this.#running = undefined
  }

  #take (segment: Segment): Append[] {
    const batch: Append[] = []
    let bytes = 0
    let buffers = 0

    for (const entry of this.#queue) {
      if (entry.type !== 'append') {
        break
      }
      bytes += entry.bytes
      buffers += entry.buffers.length
      if (batch.length > 0 && (bytes > MAX_BATCH_BYTES || buffers > MAX_BATCH_BUFFERS || segment.size + bytes > segment.limit)) {
        break
      }
      batch.push(entry)
    }
    this.#queue.splice(0, batch.length)
    return batch
  }

  async #write (batch: Append[], segment: Segment, file: CacheFile): Promise<void> {
    const progress = { written: 0 }
    const began = this.#clock.now()
    let failure: unknown

    segment.synced = false
    try {
      await writeFully(file, batch.flatMap(({ buffers }) => buffers), segment.size, progress)
    } catch (err) {
      failure = err
    }
    this.#prompt.answered(began, failure !== undefined)
    // what went in whole counts, also when the rest did not
    const whole: Append[] = []
    for (let end = 0; whole.length < batch.length; whole.push(batch[whole.length] as Append)) {
      end += (batch[whole.length] as Append).bytes
      if (end > progress.written) {
        break
      }
    }
    for (const { bytes, placed } of whole) {
      place(segment, bytes, placed)
    }
    if (failure !== undefined) {
      await this.#cutTail(segment, file, batch.slice(whole.length).map(({ bytes }) => bytes))
    }
    whole.forEach(({ resolve }) => { resolve() })
    batch.slice(whole.length).forEach(({ reject }) => { reject(failure) })
  }

  async #end ({ segment, file, bytes, written, decided, over }: Begun): Promise<void> {
    const head = await decided
    const failure = await written ?? (head == null ? undefined : await this.#writeHead(segment, file, head.bytes, bytes))

    if (failure === undefined && head != null) {
      place(segment, bytes, head.placed)
    } else {
      await this.#cutTail(segment, file, [bytes])
      head?.reject(failure)
    }
    over()
  }

  /** @returns what went wrong, if anything did */
  async #writeHead (segment: Segment, file: CacheFile, head: Uint8Array, bytes: number): Promise<unknown> {
    const length = head.byteLength
    const now = this.#prompt.allows(length) ? this.#components.activeNow(bytes) : undefined

    if (now?.segment === segment && file.writeNow != null && this.#prompt.run(length, () => file.writeNow?.(head, segment.size) ?? 0) === length) {
      return undefined
    }
    return writeFully(file, [head], segment.size).catch((err: unknown) => err)
  }

  /** Half a record must not stay behind what is written next: a scan could find old ones in it that have been removed since */
  async #cutTail (segment: Segment, file: CacheFile, lengths: readonly number[]): Promise<void> {
    try {
      await file.truncate(segment.size)
    } catch (err) {
      let end = segment.size
      // the failure of the write itself is what the callers are told
      this.#components.abandon(segment, err, lengths.map(bytes => (end += bytes) - bytes))
    }
  }
}

/** The system has it */
function place (segment: Segment, bytes: number, placed: Placed): void {
  const offset = segment.size
  segment.size += bytes
  // a syncing that began while it was written may have come too early for it
  segment.synced = false
  placed(segment, offset)
}

function total (buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
}
