import { NotRunningError } from '../interface/errors.ts'
import type { ReadableLedger } from '../interface/ledger.ts'
import type { ContentRouting } from '../interface/routing.ts'

export interface RunnableContentRouting extends ContentRouting {
  start (): Promise<void>
  stop (): Promise<void>
  readonly ledger?: ReadableLedger
  /** The block is local now: forget that it could not be found */
  available? (cid: Parameters<ContentRouting['retrieve']>[0]): void
}

/**
 * Runs content routing with the node: started and stopped any number of times,
 * one after the other whatever the order of the calls.
 */
export class Lifecycle {
  readonly #routing: RunnableContentRouting
  #starting?: Promise<RunnableContentRouting>
  #stopping?: Promise<void>
  #generation = 0

  constructor (routing: RunnableContentRouting) {
    this.#routing = routing
  }

  /** Changes with every start */
  get generation (): number {
    return this.#generation
  }

  async start (): Promise<void> {
    if (this.#starting == null) {
      const starting = this.#start()
      this.#starting = starting
      starting.catch(() => {
        // a failed start may be tried again; whoever awaited it has the error
        if (this.#starting === starting) {
          this.#starting = undefined
        }
      })
    }
    await this.#starting
  }

  async stop (): Promise<void> {
    const starting = this.#starting
    if (starting != null) {
      this.#starting = undefined
      this.#stopping = starting.then(async routing => routing.stop())
    }
    await this.#stopping
  }

  /** Content routing, once it has started; rejects when nobody is starting it */
  async running (): Promise<RunnableContentRouting> {
    return this.#starting ?? Promise.reject(notRunning())
  }

  /** The same, for callers that cannot wait */
  require (): RunnableContentRouting {
    if (this.#starting == null) {
      throw notRunning()
    }
    return this.#routing
  }

  async #start (): Promise<RunnableContentRouting> {
    await this.#stopping?.catch(() => undefined) // its caller has the error
    await this.#routing.start()
    this.#generation++
    return this.#routing
  }
}

function notRunning (): NotRunningError {
  return new NotRunningError('Content routing is not running: it starts and stops with the Helia node, so await helia.start() first')
}
