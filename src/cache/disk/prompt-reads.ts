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
/** Milliseconds for which no copy from memory takes: it came from the disk, or the process had to wait for a processor */
const SLOW = 5
/** One that came from the disk is among others that did; where many share the processors, one in some hundred is slow. A slow one counts for so many quick ones */
const QUICK_PER_SLOW = 16
/** So many more slow ones than that, and the system does not have in memory what it was trusted with */
const MAX_SLOW = 3
/** Of reads by threads that are under way, without an answer of any, in ms: the disk may hang. A thread may wait so long for a processor */
const SILENCE = 20
/** How long it is left to threads then, in ms; twice as long each time, up to an hour */
const FIRST_REST = 60_000
const MAX_REST = 3_600_000

/**
 * When a record may be read on the thread that asks for it: when the system has
 * it in memory, for all that can be known. It was read before, less has been read
 * since than fits into memory, and threads that read meanwhile get their answers.
 * A disk that is not asked cannot hang.
 */
export class PromptReads {
  readonly #clock: Clock
  readonly #memory: number
  /** By a thread, now */
  #underWay = 0
  /** When one of those began or ended last, so that the disk was heard of */
  #heard = 0
  /** Bytes read so far */
  #passed = 0
  #runUntil = 0
  #slowness = 0
  #restUntil = -Infinity
  #rest = FIRST_REST

  /** @param memory - that is free, in bytes */
  constructor (clock: Clock, memory: number) {
    this.#clock = clock
    this.#memory = memory * MEMORY_SHARE
  }

  /** Whether `run` may be tried */
  allows ({ file, warm }: Segment, offset: number, bytes: number): boolean {
    if (file?.readNow == null || warm == null || bytes > MAX_RECORD_BYTES || !this.#isWarm(warm, offset, bytes)) {
      return false
    }
    const now = this.#clock.now()

    if (now < this.#restUntil || (this.#underWay > 0 && now - this.#heard > SILENCE)) {
      return false
    }
    if (this.#runUntil === 0) {
      this.#runUntil = now + MAX_RUN_TIME
    }
    return now <= this.#runUntil
  }

  /** @returns how many bytes were read: none where a thread has to find out why */
  run ({ file }: Segment, target: Uint8Array, offset: number): number {
    const now = this.#clock.now()

    try {
      return file?.readNow?.(target, offset) ?? 0
    } catch {
      // the same is read once more, by a thread, which has the error for whoever waits
      return 0
    } finally {
      this.#took(this.#clock.now() - now, now)
    }
  }

  #took (ms: number, now: number): void {
    if (ms <= SLOW) {
      this.#slowness = Math.max(0, this.#slowness - 1 / QUICK_PER_SLOW)
      return
    }
    this.#slowness++
    // the next one by a thread
    this.#runUntil = -Infinity
    if (this.#slowness > MAX_SLOW - 1) {
      this.#slowness = 0
      this.#restUntil = now + this.#rest
      this.#rest = Math.min(this.#rest * 2, MAX_REST)
    }
  }

  /** A thread begins to read */
  begin (): void {
    if (this.#underWay++ === 0) {
      this.#heard = this.#clock.now()
    }
  }

  end (): void {
    this.#underWay--
    this.#heard = this.#clock.now()
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
