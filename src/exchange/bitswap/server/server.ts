import { blockKey } from '../../../block/key.ts'
import { serveLimits } from './limits.ts'
import { DEFAULT_SERVE_POLICY, mayServe } from './policy.ts'
import { noCounts } from './serve-stats.ts'
import { Serving } from './serving.ts'
import type { ServeLimits } from './limits.ts'
import type { MayServe, ServePolicy } from './policy.ts'
import type { ServeStats } from './serve-stats.ts'
import type { PeerStalledError, Transmit } from './serving.ts'
import type { LocalStore } from '../../../interface/cache.ts'
import type { Clock } from '../../../interface/clock.ts'
import type { Disclosure } from '../../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../../interface/logger.ts'
import type { BitswapMessage } from '../message.ts'
import type { CID } from 'multiformats/cid'

export interface BitswapServerComponents {
  /** The raw store: what is in it was verified when it came in */
  readonly store: LocalStore
  readonly clock: Clock
  readonly logger: ComponentLogger
  readonly transmit: Transmit
  /** An answer about this CID is about to be sent to this peer (its id as text): purpose `serve` */
  readonly disclose: (peer: string, cid: CID) => Disclosure
  /** Whether we chose this peer, by naming it or by dialling it. @default nobody */
  readonly chosen?: MayServe
}

export interface BitswapServerInit {
  /** Who may be served. @default 'none' */
  readonly policy?: ServePolicy
  readonly limits?: Partial<ServeLimits>
  /** Called when a peer was given up because it did not read; its message was aborted with the same error */
  readonly onStalled?: (peer: string, error: PeerStalledError) => void
}

/**
 * Answers what other nodes want, to those who may be served: by turns, within a
 * memory budget, and at the pace at which each of them reads.
 */
export class BitswapServer {
  readonly #components: BitswapServerComponents
  readonly #init: BitswapServerInit
  readonly #limits: ServeLimits
  readonly #log: Logger
  readonly #counts = noCounts()
  #policy: ServePolicy
  #mayServe: MayServe
  #dropped = 0
  #turnedAway = 0
  #memoryPeak = 0
  #serving: Serving | undefined

  constructor (components: BitswapServerComponents, init: BitswapServerInit = {}) {
    this.#components = components
    this.#init = init
    this.#limits = serveLimits(init.limits)
    this.#log = components.logger.forComponent('portolan:bitswap:server')
    this.#policy = init.policy ?? DEFAULT_SERVE_POLICY
    this.#mayServe = this.#question(this.#policy)
  }

  get policy (): ServePolicy {
    return this.#policy
  }

  start (): void {
    this.#serving ??= new Serving({
      ...this.#components,
      log: this.#log,
      onStalled: this.#init.onStalled ?? (() => {})
    }, this.#limits, this.#counts)
  }

  /** Ends what is on its way and forgets who wanted what */
  stop (): void {
    const serving = this.#serving
    this.#serving = undefined

    if (serving != null) {
      this.#dropped += serving.schedule.table.dropped
      this.#turnedAway += serving.schedule.table.turnedAway
      this.#memoryPeak = Math.max(this.#memoryPeak, serving.schedule.memory.peak)
      serving.stop()
    }
  }

  /** From now on; what peers that may no longer be served wanted is dropped, a message on its way is not torn */
  setPolicy (policy: ServePolicy): void {
    this.#mayServe = this.#question(policy)
    this.#policy = policy

    if (this.#serving != null) {
      for (const peer of [...this.#serving.schedule.table.peers()]) {
        if (!this.#mayServe(peer.id)) {
          this.#serving.schedule.drop(peer)
        }
      }

      this.#serving.pump()
    }
  }

  /** Serves nobody any more */
  disable (): void {
    this.setPolicy('none')
  }

  /** Whether this peer may be served now */
  serves (peer: string): boolean {
    return this.#serving != null && this.#mayServe(peer)
  }

  /** A message came in. Never throws. */
  received (peer: string, message: BitswapMessage): void {
    const serving = this.#serving
    const { wants, full } = message

    if (serving == null || (wants.length === 0 && !full)) {
      return
    }

    const now = this.#components.clock.now()

    if (serving.schedule.isPaused(peer, now)) {
      this.#counts.paused += wants.length
      return
    }

    if (!this.#mayServe(peer)) {
      this.#counts.refused += wants.reduce((sum, want) => want.cancel ? sum : sum + 1, 0)
      serving.schedule.refused(peer, wants, now)
    } else {
      serving.schedule.received(peer, wants, full)
    }

    serving.pump()
  }

  /** The peer's last connection is gone */
  gone (peer: string): void {
    this.#serving?.gone(peer)
  }

  /** A block can be read from the store now: whoever waits for it is answered. Cheap, and never throws. */
  arrived (cid: CID, size?: number): void {
    const serving = this.#serving

    if (serving != null && serving.schedule.table.awaited > 0) {
      serving.schedule.arrived(blockKey(cid), this.#components.clock.now(), size)
      serving.pump()
    }
  }

  stats (): ServeStats {
    const schedule = this.#serving?.schedule
    const policy = this.#policy

    return {
      ...this.#counts,
      policy: typeof policy === 'string' ? policy : 'allow-list',
      peers: schedule?.table.peerCount ?? 0,
      wants: schedule?.table.size ?? 0,
      awaited: schedule?.table.awaited ?? 0,
      sending: schedule?.sending ?? 0,
      memory: schedule?.memory.held ?? 0,
      memoryPeak: Math.max(this.#memoryPeak, schedule?.memory.peak ?? 0),
      dropped: this.#dropped + (schedule?.table.dropped ?? 0),
      turnedAway: this.#turnedAway + (schedule?.table.turnedAway ?? 0)
    }
  }

  #question (policy: ServePolicy): MayServe {
    return mayServe(policy, this.#components.chosen ?? (() => false))
  }
}
