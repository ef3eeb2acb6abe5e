import { FAME_CLASSES, FIRST_CLASSES } from './reuse-model.ts'
import { NONE, SlotLists } from './slot-lists.ts'

/** Half a doubling of size to a chain: worth for the bytes it takes is told to within a fifth */
const STEPS_PER_DOUBLING = 2
const SIZE_STEPS = 32 * STEPS_PER_DOUBLING
/** What was asked for once, and each class of what was asked for again */
const KINDS = 1 + FAME_CLASSES
const CHAINS = SIZE_STEPS * KINDS
/** Of the tree: the power of two above the chains */
const LEAVES = 512

/**
 * Blocks of one class and about one size in a chain, by the time of their last request. Of a chain the one goes that
 * nobody asked for longest; of these the one with the least score, which is at the root of a tree.
 */
export class WorthChains {
  readonly #lists = new SlotLists(CHAINS)
  readonly #worth: (slot: number) => number
  /** What is worth one, for the bytes it takes */
  readonly #weights = new Float64Array(SIZE_STEPS)
  /** Of the oldest of each chain, when it was looked at */
  readonly #scores = new Float64Array(LEAVES).fill(Infinity)
  /** Below each node, the chain with the least score; the root is 1, and below n are 2n and 2n + 1 */
  readonly #least = new Uint16Array(2 * LEAVES)

  /** @param worth - of one, whatever its size */
  constructor (worth: (slot: number) => number, sizePower: number) {
    this.#worth = worth

    for (let leaf = 0; leaf < LEAVES; leaf++) {
      this.#least[LEAVES + leaf] = leaf
    }

    this.rescore(sizePower)
  }

  has (slot: number): boolean {
    return this.#lists.of(slot) !== NONE
  }

  /** It was asked for, or has come, just now */
  push (slot: number, of: number, size: number): void {
    const chain = sizeStep(size) * KINDS + Math.max(0, of - FIRST_CLASSES + 1)
    this.unlink(slot)
    this.#lists.push(chain, slot)

    if (this.#lists.oldest(chain) === slot) {
      this.#look(chain)
    }
  }

  /** @returns the chain that it was in, or NONE */
  unlink (slot: number): number {
    const chain = this.#lists.of(slot)

    if (chain !== NONE) {
      const wasOldest = this.#lists.oldest(chain) === slot
      this.#lists.unlink(slot)

      if (wasOldest) {
        this.#look(chain)
      }
    }

    return chain
  }

  /** As the oldest of its chain, which it was */
  giveBack (slot: number, chain: number): void {
    this.#lists.pushOldest(chain, slot)
    this.#look(chain)
  }

  /** Time has passed, or what they are worth has changed */
  rescore (sizePower: number): void {
    for (let step = 0; step < SIZE_STEPS; step++) {
      this.#weights[step] = Math.pow(2, -sizePower * (step + 0.5) / STEPS_PER_DOUBLING)
    }

    for (let chain = 0; chain < CHAINS; chain++) {
      this.#scores[chain] = this.#scoreOf(chain)
    }

    for (let node = LEAVES - 1; node >= 1; node--) {
      this.#decide(node)
    }
  }

  /** @returns the one with the least score, or NONE */
  least (): number {
    return this.#lists.oldest(this.#least[1] as number)
  }

  /** @returns of the oldest of all chains the one with the least value, or NONE */
  leastBy (value: (slot: number) => number): number {
    let least = Infinity
    let found = NONE

    for (let chain = 0; chain < CHAINS; chain++) {
      const slot = this.#lists.oldest(chain)

      if (slot !== NONE && value(slot) < least) {
        least = value(slot)
        found = slot
      }
    }

    return found
  }

  #look (chain: number): void {
    this.#scores[chain] = this.#scoreOf(chain)

    for (let node = (LEAVES + chain) >> 1; node >= 1; node >>= 1) {
      this.#decide(node)
    }
  }

  #decide (node: number): void {
    const left = this.#least[2 * node] as number
    const right = this.#least[2 * node + 1] as number
    this.#least[node] = (this.#scores[right] as number) < (this.#scores[left] as number) ? right : left
  }

  #scoreOf (chain: number): number {
    const slot = this.#lists.oldest(chain)
    return slot === NONE ? Infinity : this.#worth(slot) * (this.#weights[Math.floor(chain / KINDS)] as number)
  }
}

/** Of 32 bits */
function sizeStep (size: number): number {
  const octave = 31 - Math.clz32(Math.max(1, size))
  return STEPS_PER_DOUBLING * octave + (size >= Math.SQRT2 * Math.pow(2, octave) ? 1 : 0)
}
