import { classAtFirst, classOfFame, ReuseModel } from '../reuse-model.ts'
import { grown, NONE, SlotLists } from '../slot-lists.ts'
import { WorthChains } from '../worth-chains.ts'
import type { Expert, ExpertComponents } from './expert.ts'
import type { Living } from '../reuse-model.ts'

const GONE = 0
const FIRST_ENTRIES = 64

/** Remembered of what went, for each that it keeps: what is not seen to come again is not learnt */
const GHOSTS = 3
/** And no fewer than this many */
const MIN_GHOSTS = 4096

/** What was learnt counts half after so many requests for each that it knows; 5 to 20 measure alike */
const FADING = 10
const MIN_KNOWN = 100

/** Requests until it first draws conclusions; then it waits for an eighth of all there were so far, */
const FIRST_FIT = 64
/** and no longer than this: a fit takes as long as a hundred requests */
const MAX_FIT_INTERVAL = 1024
/** Entries that are looked at for a fit, of more a part in turn */
const FIT_ENTRIES = 16_384
/** Requests between two looks at who grew old: 8 and 32 measure alike */
const AGEING_INTERVAL = 16

/** Worth is over size to the power of this: 1 is for hits of objects, 0 would be for bytes. It goes up as long as enough bytes are hit. */
const MAX_SIZE_POWER = 1
const MIN_SIZE_POWER = 0.4
const FIRST_SIZE_POWER = 0.9
/** At each fit: from end to end in fifteen thousand requests */
const SIZE_POWER_STEP = 0.04
/** Bytes over those that the baseline hits, between which the power stays: below 0.98 somebody else would lead */
const BYTES_ENOUGH = 0.99
const BYTES_AHEAD = 1.01

/** Numbers are saved in single precision */
const NUMBER_BYTES = 4

/**
 * Keeps what it has learnt to be worth most for the bytes it takes: how soon blocks like it were asked for again,
 * by how often or how large they are and how long nobody asked (`ReuseModel`).
 */
export class Learned implements Expert {
  static readonly SAVED_BYTES: number = (ReuseModel.SAVED + 1) * NUMBER_BYTES
  readonly windowShare = 1
  readonly #model = new ReuseModel()
  readonly #components: ExpertComponents
  readonly #chains = new WorthChains(entry => this.worth(this.#class[entry] as number, this.#age(entry)), FIRST_SIZE_POWER)
  readonly #gone = new SlotLists(1)
  /** Of those that it keeps or remembers */
  #class = new Uint8Array(FIRST_ENTRIES)
  #goneCount = 0
  #count = 0
  #capacity = 0
  #used = 0
  #sizePower = FIRST_SIZE_POWER
  #requests = 0
  #nextFit = FIRST_FIT
  #nextFade = FADING * MIN_KNOWN
  /** Of the entries, which part is looked at now */
  #part = 0

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  get sizePower (): number {
    return this.#sizePower
  }

  /** What a block is worth, whatever its size */
  worth (of: number, age: number): number {
    return this.#model.worth(of, age)
  }

  touch (entry: number): void {
    this.#again(entry)
    this.#push(entry)
  }

  enter (entry: number): void {
    const { entries, hold } = this.#components
    const size = entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    if (this.#gone.of(entry) === NONE) {
      this.#class = grown(this.#class, entry + 1)
      this.#class[entry] = classAtFirst(size)
    } else {
      this.#gone.unlink(entry)
      this.#goneCount--
      this.#again(entry)
    }

    this.#used += size
    this.#count++
    this.#push(entry)
    hold(entry)
    this.#shrink(entry)
  }

  forget (entry: number): void {
    if (this.#chains.has(entry)) {
      this.#chains.unlink(entry)
      this.#used -= this.#components.entries.size[entry] as number
      this.#count--
    } else if (this.#gone.of(entry) !== NONE) {
      this.#gone.unlink(entry)
      this.#goneCount--
    } else {
      return
    }

    this.#model.forgotten(this.#class[entry] as number, this.#age(entry))
    this.#components.release(entry)
  }

  resize (capacity: number): void {
    this.#capacity = capacity
    this.#shrink(NONE)
  }

  /**
   * Another request was made.
   *
   * @param bytes - those that it hit of late, over those that the baseline did
   * @returns whether some are worth more or less than before
   */
  pass (bytes: number): boolean {
    this.#requests++

    if (this.#requests >= this.#nextFade) {
      this.#model.fade()
      this.#nextFade = this.#requests + FADING * Math.max(MIN_KNOWN, this.#count + this.#goneCount)
    }

    if (this.#requests >= this.#nextFit) {
      this.#nextFit = this.#requests + Math.max(FIRST_FIT, Math.min(MAX_FIT_INTERVAL, this.#requests >>> 3))
      this.#balance(bytes)
      this.#fit()
    } else if (this.#requests % AGEING_INTERVAL !== 0) {
      return false
    }

    this.#chains.rescore(this.#sizePower)
    return true
  }

  save (): Uint8Array {
    const saved = new Uint8Array(Learned.SAVED_BYTES)
    const view = new DataView(saved.buffer)
    this.#model.save(this.#living(0, 1)).forEach((value, i) => { view.setFloat32(i * NUMBER_BYTES, value) })
    view.setFloat32(saved.length - NUMBER_BYTES, this.#sizePower)
    return saved
  }

  static canRestore (saved: Uint8Array): boolean {
    const { table, sizePower } = read(saved)
    return saved.length === Learned.SAVED_BYTES && ReuseModel.canRestore(table) && sizePower >= MIN_SIZE_POWER && sizePower <= MAX_SIZE_POWER
  }

  /** @param saved - that can be restored */
  restore (saved: Uint8Array): void {
    const { table, sizePower } = read(saved)
    this.#model.restore(table)
    this.#sizePower = sizePower
    this.#chains.rescore(sizePower)
  }

  #balance (bytes: number): void {
    if (bytes < BYTES_ENOUGH) {
      this.#sizePower = Math.max(MIN_SIZE_POWER, this.#sizePower - SIZE_POWER_STEP)
    } else if (bytes > BYTES_AHEAD) {
      this.#sizePower = Math.min(MAX_SIZE_POWER, this.#sizePower + SIZE_POWER_STEP)
    }
  }

  #fit (): void {
    const parts = Math.max(1, Math.ceil(this.#components.entries.end / FIT_ENTRIES))
    this.#part = (this.#part + 1) % parts
    this.#model.fit(this.#living(this.#part, parts), this.#count)
  }

  /** Those that it keeps or remembers; of them every so many, each for all that are left out */
  #living (first: number, every: number): Living {
    return add => {
      for (let entry = first; entry < this.#components.entries.end; entry += every) {
        if (this.#chains.has(entry) || this.#gone.of(entry) !== NONE) {
          add(this.#class[entry] as number, this.#age(entry), every)
        }
      }
    }
  }

  #again (entry: number): void {
    const { entries } = this.#components
    this.#model.hit(this.#class[entry] as number, ((entries.last[entry] as number) - (entries.previous[entry] as number)) >>> 0)
    this.#class[entry] = classOfFame(entries.frequency[entry] as number)
  }

  #push (entry: number): void {
    this.#chains.push(entry, this.#class[entry] as number, this.#components.entries.size[entry] as number)
  }

  #shrink (newcomer: number): void {
    for (const entry of this.#losers(newcomer)) {
      this.#used -= this.#components.entries.size[entry] as number
      this.#count--
      this.#goneCount++
      this.#gone.push(GONE, entry)
      this.#components.release(entry, true)
    }

    while (this.#goneCount > Math.max(MIN_GHOSTS, this.#count * GHOSTS)) {
      this.forget(this.#gone.oldest(GONE))
    }
  }

  /** Those that are worth least, as many as have to go; the newcomer alone if it is among them */
  #losers (newcomer: number): number[] {
    const losers: number[] = []
    const chains: number[] = []
    let left = this.#used

    while (left > this.#capacity) {
      const entry = this.#chains.least()
      chains.push(this.#chains.unlink(entry))
      losers.push(entry)
      left -= this.#components.entries.size[entry] as number

      if (entry === newcomer) {
        break
      }
    }

    if (losers.length === 0 || losers.at(-1) !== newcomer) {
      return losers
    }

    for (let i = losers.length - 2; i >= 0; i--) {
      this.#chains.giveBack(losers[i] as number, chains[i] as number)
    }

    return [newcomer]
  }

  #age (entry: number): number {
    return (this.#components.requests.now - (this.#components.entries.last[entry] as number)) >>> 0
  }
}

/** The table of the model, and the power */
function read (saved: Uint8Array): { table: Float32Array, sizePower: number } {
  const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength)
  const numbers = Float32Array.from({ length: Math.floor(saved.length / NUMBER_BYTES) }, (_, i) => view.getFloat32(i * NUMBER_BYTES))
  return { table: numbers.subarray(0, -1), sizePower: numbers.at(-1) ?? 0 }
}
