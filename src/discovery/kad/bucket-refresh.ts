import { jittered } from '../../clock/random.ts'
import { SleptTime, WAKING } from '../../clock/slept-time.ts'
import { BucketSchedule } from './bucket-schedule.ts'
import { commonPrefixLength, peerBytes, peerKey } from './kad-key.ts'
import { preimageAt } from './key-search.ts'
import type { BucketState, BucketView, Refresh } from './bucket-schedule.ts'
import type { KadPeer } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'
import type { WalkResult } from './walk-run.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'

export interface BucketRefreshComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  /** Our own peer id */
  readonly self: string
  readonly table: { buckets (): Map<number, readonly KadPeer[]> }
  readonly timing: { dead (peer: string, now: number, addresses?: readonly string[]): boolean }
  /** Asks no more than a few of the nearest: to be asked they are connected to, which brings them into the table */
  readonly walker: { findClosest (preimage: Uint8Array, options: { signal: AbortSignal }): Promise<WalkResult> }
}

export interface RefreshStats {
  /** Nearest first */
  readonly buckets: readonly BucketState[]
  readonly walks: number
  readonly failed: number
}

/** Milliseconds between two looks at what is due, more or less a quarter: a tenth of the shortest interval */
const TICK = 30_000
/** Walks at a time: a refresh is never in a hurry */
const MAX_WALKS = 2
/** Milliseconds: a walk of the public network takes 2 s */
const WALK_TIMEOUT = 30_000

/** Keeps the buckets of the table fresh, one or two walks at a time */
export class BucketRefresh {
  readonly #components: BucketRefreshComponents
  readonly #log: Logger
  readonly #self: KadKey
  readonly #walks = new Map<number, AbortController>()
  readonly #counts = { walks: 0, failed: 0 }
  #schedule: BucketSchedule
  #isRunning = false
  #cancelTick: () => void = () => {}
  #slept: SleptTime

  constructor (components: BucketRefreshComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('portolan:discovery:buckets')
    this.#self = peerKey(components.self)
    this.#slept = new SleptTime(components.clock)
    this.#schedule = this.#begin()
  }

  start (): void {
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#schedule = this.#begin()
      this.#tick(TICK)
    }
  }

  /** Ends the walks that are under way */
  stop (): void {
    this.#isRunning = false
    this.#cancelTick()
    this.#walks.forEach(controller => { controller.abort() })
  }

  /** Any walk is a refresh of the bucket that its target is in */
  walked (target: KadKey): void {
    this.#schedule.walked(commonPrefixLength(this.#self, target), this.#view(), this.#components.clock.now())
  }

  stats (): RefreshStats {
    return { ...this.#counts, buckets: this.#schedule.state(this.#view(), this.#components.clock.now()) }
  }

  #begin (): BucketSchedule {
    const { clock, random } = this.#components
    this.#slept = new SleptTime(clock)
    return new BucketSchedule(clock.now(), random.next())
  }

  #tick (ms: number): void {
    const { clock, random } = this.#components

    this.#cancelTick = clock.schedule(jittered(ms, random), () => {
      if (this.#wokeUp()) {
        this.#tick(WAKING)
        return
      }
      this.#refresh()
      this.#tick(TICK)
    })
  }

  #wokeUp (): boolean {
    const slept = this.#slept.take()

    if (slept === 0) {
      return false
    }
    this.#log('the machine slept for %d s', Math.round(slept / 1_000))
    this.#schedule.slept(slept)
    return true
  }

  #refresh (): void {
    const now = this.#components.clock.now()
    const view = this.#view()

    while (this.#walks.size < MAX_WALKS) {
      const due = this.#schedule.next(view, now)
      const preimage = due == null ? undefined : this.#target(due)

      if (due == null) {
        return
      }
      // it counts from its beginning: one that fails is not repeated at once
      if (preimage == null || due.type === 'near') {
        this.#schedule.walkedNear(view, now)
      }
      this.#schedule.walked(due.depth, view, now)
      void this.#walk(due, preimage ?? peerBytes(this.#components.self))
    }
  }

  #target ({ type, depth }: Refresh): Uint8Array | undefined {
    return type === 'near' ? undefined : preimageAt(this.#self, depth, this.#components.random)
  }

  /** Never rejects */
  async #walk ({ depth }: Refresh, preimage: Uint8Array): Promise<void> {
    const { clock, walker } = this.#components
    const controller = new AbortController()
    const cancel = clock.schedule(WALK_TIMEOUT, () => { controller.abort(new DOMException(`not done in ${WALK_TIMEOUT} ms`, 'TimeoutError')) })

    this.#walks.set(depth, controller)
    this.#counts.walks++
    try {
      const { answered, asked } = await walker.findClosest(preimage, { signal: controller.signal })
      this.#log('refreshed bucket %d: %d of %d answered', depth, answered, asked)
    } catch (err) {
      if (this.#isRunning) {
        this.#counts.failed++
        this.#log('could not refresh bucket %d - %e', depth, err)
      }
    } finally {
      cancel()
      if (this.#walks.get(depth) === controller) {
        this.#walks.delete(depth)
      }
    }
  }

  #view (): BucketView[] {
    const { clock, table, timing } = this.#components
    const now = clock.now()

    return [...table.buckets()].map(([depth, peers]) => ({ depth, peers: peers.length, dead: peers.filter(({ id, addresses }) => timing.dead(id, now, addresses)).length }))
  }
}
