import { wholeNumber } from './whole-number.ts'

/**
 * A quarter of a GiB: 16 readers with a full window of 16 MiB, 256 with the 1 MiB
 * that each begins with. Beyond that each has its share, and one block at least.
 */
export const DEFAULT_READ_BUDGET = 268_435_456

/** Bytes that all readers of a process together may hold ahead of where they are */
export interface ReadBudget {
  readonly limit: number
  /** Bytes held or asked for now */
  readonly held: number
  readonly readers: number
  /** For one reader, until it closes it */
  open (): ReadAccount
}

/** What one reader holds */
export interface ReadAccount {
  /** The part of the limit that is fair now */
  readonly share: number
  /** Takes the bytes where the limit permits: for what is wanted ahead */
  take (bytes: number): boolean
  /** Takes them whatever the limit: for what the reader waits for, or has in its hands already */
  force (bytes: number): void
  release (bytes: number): void
  /** Gives back all that is left; what is released afterwards counts for nothing */
  close (): void
}

/**
 * What a reader waits for is never refused: so the bound is the limit, plus for
 * each reader the block at its front and the links of the nodes above that.
 */
export function readBudget (limit: number = DEFAULT_READ_BUDGET): ReadBudget {
  return new SharedBudget(wholeNumber('readBudget', limit, 1))
}

class SharedBudget implements ReadBudget {
  readonly limit: number
  held = 0
  readers = 0

  constructor (limit: number) {
    this.limit = limit
  }

  open (): ReadAccount {
    return new Account(this)
  }
}

class Account implements ReadAccount {
  readonly #budget: SharedBudget
  #held = 0
  #open = true

  constructor (budget: SharedBudget) {
    this.#budget = budget
    budget.readers++
  }

  get share (): number {
    return this.#budget.limit / this.#budget.readers
  }

  take (bytes: number): boolean {
    if (this.#budget.held + bytes > this.#budget.limit) {
      return false
    }

    this.force(bytes)
    return true
  }

  force (bytes: number): void {
    if (this.#open) {
      this.#held += bytes
      this.#budget.held += bytes
    }
  }

  release (bytes: number): void {
    this.force(-bytes)
  }

  close (): void {
    if (this.#open) {
      this.release(this.#held)
      this.#open = false
      this.#budget.readers--
    }
  }
}

/** Memory is one per process: composition roots hand this one to every reader that they make */
export const processReadBudget = readBudget()
