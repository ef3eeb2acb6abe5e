import { poseidon2 } from './field.ts'

/** How a leaf leads to the root, as the circuit takes it */
export interface LeanPath {
  /** Whether the leaf's side is the right one, a bit for each sibling, the lowest first */
  readonly index: number
  readonly siblings: readonly bigint[]
}

/**
 * The tree that Semaphore's groups are ("lean incremental"): a node without a
 * right neighbour moves up as it is, so that nothing is hashed with zeros, and
 * the depth follows the number of leaves.
 */
export class LeanTree {
  /** The leaves, then each level above them */
  readonly #levels: bigint[][]

  private constructor (levels: bigint[][]) {
    this.#levels = levels
  }

  /** @param step - waited for after each hash, which takes a fifth of a millisecond */
  static async of (leaves: readonly bigint[], step: () => Promise<void> | undefined = () => undefined): Promise<LeanTree> {
    const levels = [[...leaves]]

    for (let below = levels[0] ?? []; below.length > 1; below = levels.at(-1) ?? []) {
      const level: bigint[] = []

      for (let i = 0; i < below.length; i += 2) {
        level.push(parent(below[i], below[i + 1]))
        await step()
      }
      levels.push(level)
    }
    return new LeanTree(levels)
  }

  get size (): number {
    return this.#levels[0]?.length ?? 0
  }

  /** Undefined while it is empty */
  get root (): bigint | undefined {
    return this.#levels.at(-1)?.[0]
  }

  push (leaf: bigint): void {
    let at = this.size
    this.#levels[0]?.push(leaf)

    for (let height = 0; (this.#levels[height]?.length ?? 0) > 1; height++) {
      const level = this.#levels[height] ?? []
      const above = this.#levels[height + 1] ??= []
      at >>= 1
      above[at] = parent(level[2 * at], level[2 * at + 1])
    }
  }

  path (leaf: number): LeanPath {
    const siblings: bigint[] = []
    let index = 0

    for (let height = 0, at = leaf; height < this.#levels.length - 1; height++, at >>= 1) {
      const sibling = this.#levels[height]?.[at ^ 1]

      if (sibling != null) {
        index |= (at & 1) << siblings.length
        siblings.push(sibling)
      }
    }
    return { index, siblings }
  }
}

function parent (left: bigint = 0n, right: bigint | undefined): bigint {
  return right == null ? left : poseidon2(left, right)
}
