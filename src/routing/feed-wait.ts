import { HedgeTimer } from './hedge-timer.ts'
import { sizeClass } from './latency-window.ts'
import { MAX_TRIES } from './stream-providers.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { Fed, Feeding } from './feeds.ts'

/** What a block is taken to weigh where no link told: the usual UnixFS leaf */
const USUAL_BLOCK = 262_144

/** A few transfers say more about a link than any guess */
const LEAST_TRANSFERS = 3

export interface FeedWaitInit {
  readonly env: RoutingEnvironment
  /** Expected bytes of the block */
  readonly size?: number
  /** A second party may be told */
  readonly mayHedge: boolean
  /** The stream that has the block or will have it soon, if there is one */
  next (): Feeding | undefined
  /** Somebody waits for the block now */
  needed (): boolean
  onFeeding (feeding: Feeding): void
  onFed (fed: Fed): void
  /** No stream brings it */
  onNone (): void
  /** It is late: time to ask somebody else as well; the hedge is paid for */
  onLate (feeding: Feeding): void
}

/** A block that is to come by a stream: when that fails it comes by the next one, or is sought; when it is late, too */
export class FeedWait {
  readonly #init: FeedWaitInit
  readonly #hedge: HedgeTimer
  #feeding?: Feeding
  #tries = 0
  #late = false
  #over = false

  constructor (init: FeedWaitInit) {
    const { hedge: { quantile } } = init.env.params
    this.#init = init
    this.#hedge = new HedgeTimer(init.env, () => this.#usual(quantile), () => { this.#due() })
  }

  /** Something may still come of it */
  get waiting (): boolean {
    return this.#feeding != null
  }

  start (): void {
    const { next, onFeeding, onNone } = this.#init
    // the stream that takes the place of one that failed counts too
    const feeding = this.#tries++ <= MAX_TRIES ? next() : undefined

    if (feeding == null) {
      this.end()
      onNone()
      return
    }

    this.#feeding = feeding
    onFeeding(feeding)
    this.need()
    void feeding.block.then(fed => { this.#settled(fed) })
  }

  /** Somebody waits for the block: from now on it can be late */
  need (): void {
    if (!this.#over && this.#init.mayHedge && !this.#late && this.#init.needed()) {
      this.#hedge.arm()
    }
  }

  /** Somebody else brought it */
  beaten (): void {
    this.#feeding?.lost()
    this.end()
  }

  end (): void {
    this.#over = true
    this.#feeding = undefined
    this.#hedge.stop()
  }

  #settled (fed: Fed | undefined): void {
    if (this.#over) {
      return
    }

    this.#feeding = undefined

    if (fed == null) {
      this.start()
    } else {
      this.end()
      this.#init.onFed(fed)
    }
  }

  #due (): void {
    const feeding = this.#feeding
    const { env, size = USUAL_BLOCK, onLate } = this.#init

    if (feeding == null) {
      return
    }

    const { quantile, coldDelay } = env.params.hedge
    const another = (this.#usual(quantile) ?? coldDelay) + this.#transfer(size)
    const eta = feeding.eta(size)

    if (eta <= another) {
      // sooner done than another one would be: judged again when that one would have begun
      this.#hedge.armIn(Math.max(env.params.hedge.minDelay, eta))
    } else if (!feeding.others()) {
      this.#hedge.arm()
    } else if (this.#hedge.spend()) {
      this.#late = true
      env.stats.hedges++
      onLate(feeding)
    }
  }

  #usual (quantile: number): number | undefined {
    const { windows } = this.#init.env
    return windows.classes[sizeClass(this.#init.size ?? USUAL_BLOCK)]?.quantile(quantile) ?? windows.all.quantile(quantile)
  }

  #transfer (size: number): number {
    const { windows, params: { hedge, select } } = this.#init.env
    return windows.transfers[sizeClass(size)]?.quantile(hedge.quantile, LEAST_TRANSFERS) ?? size / select.coldThroughput
  }
}
