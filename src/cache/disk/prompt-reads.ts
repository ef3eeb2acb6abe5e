import type { Clock } from '../../interface/clock.ts'
import type { Segment } from './segment.ts'

/** Up to here the copy takes less time than the way to another thread and back (100 KiB: 12 us of 40) */
const MAX_RECORD_BYTES = 139_264
/** From the first in a row, in ms: as long as the others wait. Then one goes to a thread, and whoever else came meanwhile does, too */
const MAX_RUN_TIME = 2
/** What was read is remembered in parts of this size: 4 bytes each, 4 KiB a segment */
const PART_BYTES = 65_536
/** Of the memory that is free, what the system is trusted to keep of files: others use it, too */
const MEMORY_SHARE = 1 / 4
/** Milliseconds for which no copy from memory takes, nor a thread waits for a processor most of the time: it came from the disk */
const SLOW = 5
/** How long it is left to threads then, in ms; twice as long each time, up to an hour */
const FIRST_REST = 60_000
const MAX_REST = 3_600_000

/**
 * When a record may be read on the thread that asks for it: when the system has
 * it in memory, for all that can be known. It was read before, less has been read
 * since than fits into memory, and nobody else is reading, who would have a
 * second processor do it. A disk that is not asked cannot hang.
 */
export class PromptReads {
  readonly #clock: Clock
  readonly #memory: number
  /** By a thread, now */
  #underWay = 0
  /** Bytes read so far */
  #passed = 0
  #runUntil = 0
  #restUntil = -Infinity
  #rest = FIRST_REST

  /** @param memory - that is free, in bytes */
  constructor (clock: Clock, memory: number) {
    this.#clock = clock
    this.#memory = memory * MEMORY_SHARE
  }

  /** @returns how many bytes were read: none where a thread has to */
  run (segment: Segment, target: Uint8Array, offset: number): number {
    const { file, warm } = segment
    const now = this.#clock.now()

    if (this.#underWay > 0 || file?.readNow == null || warm == null || target.byteLength > MAX_RECORD_BYTES || now < this.#restUntil) {
      return 0
    }
    if (this.#runUntil === 0) {
      this.#runUntil = now + MAX_RUN_TIME
    }
    if (now > this.#runUntil || !this.#isWarm(warm, offset, target.byteLength)) {
      return 0
    }
    try {
      return file.readNow(target, offset)
    } catch {
      // the same is read once more, by a thread, which has the error for whoever waits
      return 0
    } finally {
      if (this.#clock.now() - now > SLOW) {
        this.#restUntil = now + this.#rest
        this.#rest = Math.min(this.#rest * 2, MAX_REST)
      }
    }
  }

  /** A thread begins to read */
  begin (): void {
    this.#underWay++
  }

  end (): void {
    this.#underWay--
    this.#runUntil = 0
  }

  /** This has been read, and so is in memory for a while */
  done (segment: Segment, offset: number, bytes: number): void {
    segment.warm ??= new Float32Array(Math.ceil(Math.max(segment.limit, segment.size) / PART_BYTES)).fill(-Infinity)
    this.#passed += bytes
    for (let part = Math.floor(offset / PART_BYTES); part * PART_BYTES < offset + bytes; part++) {
      segment.warm[part] = this.#passed
    }
  }

  #isWarm (warm: Float32Array, offset: number, bytes: number): boolean {
    for (let part = Math.floor(offset / PART_BYTES); part * PART_BYTES < offset + bytes; part++) {
      if (!(this.#passed - (warm[part] ?? -Infinity) < this.#memory)) {
        return false
      }
    }
    return true
  }
}
