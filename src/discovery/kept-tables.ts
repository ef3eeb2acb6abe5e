import { raceSignal } from '../clock/race-signal.ts'
import { jittered } from '../clock/random.ts'
import { EntryKeeper } from '../keeper/entry-keeper.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { KeeperInit, KeptTable } from '../keeper/entry-keeper.ts'
import type { Datastore } from 'interface-datastore'

export interface KeptTablesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  /** Without one nothing is kept */
  readonly datastore?: Datastore
}

export interface KeptTableInit extends KeeperInit {
  readonly table: KeptTable
}

/** Written this often, in ms: a crash loses a minute of what was found */
const SAVE_INTERVAL = 60_000
/** Loaded within this, in ms, or not at all */
export const LOAD_TIMEOUT = 10_000

/** What discovery learnt, kept across restarts: worth having, never worth failing or waiting for */
export class KeptTables {
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Logger
  readonly #keepers: readonly EntryKeeper[]
  /** What could not be read is not written over */
  readonly #loaded = new Set<EntryKeeper>()
  #cancelTick: () => void = () => {}

  constructor ({ clock, random, logger, datastore }: KeptTablesComponents, tables: readonly KeptTableInit[]) {
    this.#clock = clock
    this.#random = random
    this.#log = logger.forComponent('portolan:discovery')
    this.#keepers = datastore == null ? [] : tables.map(({ table, ...init }) => new EntryKeeper({ table, datastore, logger, clock }, init))
  }

  /** Entries that could not be read, and writes that failed */
  stats (): { dropped: number, failedWrites: number } {
    const all = this.#keepers.map(keeper => keeper.stats())
    return { dropped: sum(all.map(({ dropped }) => dropped)), failedWrites: sum(all.map(({ failedWrites }) => failedWrites)) }
  }

  /** Never rejects */
  async load (): Promise<void> {
    // what is in memory outlives a stop: reading it again would count it twice
    const left = this.#keepers.filter(keeper => !this.#loaded.has(keeper))
    await Promise.all(left.map(async keeper => this.bounded('load what was kept', async signal => {
      await keeper.load({ signal })
      this.#loaded.add(keeper)
    })))
  }

  /** Writes what changes, from now on */
  start (): void {
    this.#cancelTick()
    const cancel = this.#clock.schedule(jittered(SAVE_INTERVAL, this.#random), () => {
      void this.#save().finally(() => {
        // a stop, or a stop and a start, has taken over meanwhile
        if (this.#cancelTick === cancel) {
          this.start()
        }
      })
    })
    this.#cancelTick = cancel
  }

  /** Bounded by itself */
  async stop (): Promise<void> {
    this.#cancelTick()
    this.#cancelTick = () => {}
    await this.#save()
  }

  /** Worth having, never worth failing or waiting for */
  async bounded (what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    using timeout = this.#clock.timeout(LOAD_TIMEOUT)

    try {
      await raceSignal(work(timeout.signal), timeout.signal)
    } catch (err) {
      this.#log.error('could not %s - %e', what, err)
    }
  }

  async #save (): Promise<void> {
    await Promise.all([...this.#loaded].map(async keeper => keeper.save()))
  }
}

function sum (all: readonly number[]): number {
  return all.reduce((total, each) => total + each, 0)
}
