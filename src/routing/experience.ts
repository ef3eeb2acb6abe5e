import { raceSignal } from '../clock/race-signal.ts'
import { jittered } from '../clock/random.ts'
import type { Affinity } from './affinity.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { Datastore } from 'interface-datastore'

/** Written this often, in ms: a crash loses a minute of experience */
const SAVE_INTERVAL = 60_000

/** Loaded and saved within this, in ms, or not at all */
const DATASTORE_TIMEOUT = 10_000

/** Keeps what was learnt about providers */
export interface Keeper {
  load (options?: { signal?: AbortSignal }): Promise<void>
  save (): Promise<void>
}

export interface ExperienceComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly affinity: Affinity
  readonly keeper?: Keeper
  readonly datastore?: Datastore
}

/** What was learnt, kept across restarts: worth having, never worth failing or waiting for */
export class Experience {
  readonly #components: ExperienceComponents
  readonly #log: Logger
  /** What is in memory outlives a stop: reading it again would count it twice */
  readonly #loaded = new Set<string>()
  #cancelTick: () => void = () => {}

  constructor (components: ExperienceComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('portolan:routing:experience')
  }

  async start (): Promise<void> {
    const { keeper, datastore, affinity, logger } = this.#components
    await this.#once('load what was learnt about providers', async signal => keeper?.load({ signal }))
    await this.#once('load who delivered what', async signal => {
      if (datastore != null) {
        await affinity.load(datastore, logger, { signal })
      }
    })
    this.#tick()
  }

  async stop (): Promise<void> {
    this.#cancelTick()
    this.#cancelTick = () => {}
    await this.#save()
  }

  #tick (): void {
    const { clock, random } = this.#components
    const cancel = clock.schedule(jittered(SAVE_INTERVAL, random), () => {
      void this.#save().finally(() => {
        // a stop, or a stop and a start, has taken over meanwhile
        if (this.#cancelTick === cancel) {
          this.#tick()
        }
      })
    })
    this.#cancelTick = cancel
  }

  async #save (): Promise<void> {
    const { keeper, datastore, affinity } = this.#components
    await this.#bounded('save what was learnt about providers', async () => keeper?.save())
    await this.#bounded('save who delivered what', async () => {
      if (datastore != null) {
        await affinity.save(datastore)
      }
    })
  }

  /** Until it worked */
  async #once (what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (!this.#loaded.has(what) && await this.#bounded(what, work)) {
      this.#loaded.add(what)
    }
  }

  async #bounded (what: string, work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    using timeout = this.#components.clock.timeout(DATASTORE_TIMEOUT)

    try {
      await raceSignal((async () => work(timeout.signal))(), timeout.signal)
      return true
    } catch (err) {
      this.#log.error('could not %s - %e', what, err)
      return false
    }
  }
}
