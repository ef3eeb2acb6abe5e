import { expect as chai } from 'vitest'

/**
 * The part of `aegir/chai` that `interface-blockstore-tests` uses, over vitest's own assertions: that package asks for
 * a build tool of several hundred megabytes, for this.
 */
class Assertion {
  readonly #value: unknown
  readonly #deep: boolean

  constructor (value: unknown, deep = false) {
    this.#value = value
    this.#deep = deep
  }

  get to (): this { return this }
  get be (): this { return this }
  get of (): this { return this }
  get have (): this { return this }
  get that (): this { return this }
  get deep (): Assertion { return new Assertion(this.#value, true) }
  get eventually (): Promised { return new Promised(this.#value as Promise<unknown>) }

  ok (): void { chai(this.#value).toBeTruthy() }
  true (): void { chai(this.#value).toBe(true) }
  false (): void { chai(this.#value).toBe(false) }
  include (text: string): void { chai(this.#value).toContain(text) }
  lengthOf (length: number): void { chai(this.#value).toHaveLength(length) }

  equal (expected: unknown): void {
    if (this.#deep) {
      chai(this.#value).toEqual(expected)
    } else {
      chai(this.#value).toBe(expected)
    }
  }

  property (name: string, ...expected: unknown[]): Assertion {
    const value = (this.#value as Record<string, unknown>)[name]
    chai(value, name).toBeDefined()
    if (expected.length > 0) {
      chai(value, name).toEqual(expected[0])
    }
    return new Assertion(value)
  }
}

/** What is asserted of a promise is a promise, and can be asserted further */
class Promised {
  readonly #value: Promise<unknown>

  constructor (value: Promise<unknown>) {
    this.#value = value
  }

  get be (): this { return this }
  get deep (): this { return this }

  get rejected (): { with: { property (name: string, ...expected: unknown[]): PromiseLike<void> & { that: { include (text: string): Promise<void> } } } } {
    const error = this.#value.then(() => { throw new Error('it should have been rejected') }, (err: unknown) => err)

    return {
      with: {
        property: (name, ...expected) => {
          const found = error.then(err => new Assertion(err).property(name, ...expected))
          return {
            // awaited as it is, or asserted further
            then: async (resolve, reject) => found.then(() => {}).then(resolve, reject),
            that: { include: async text => { (await found).include(text) } }
          }
        }
      }
    }
  }

  async equal (expected: unknown): Promise<void> {
    chai(await this.#value).toEqual(expected)
  }
}

export function expect (value: unknown): Assertion {
  return new Assertion(value)
}
