import { PrivacyAnalyzer } from './privacy/analysis/analyzer.ts'
import { MetadataCollector } from './privacy/collector/metadata-collector.ts'
import { NotRunningError } from './interface/errors.ts'
import type { AnalyzedNode } from './privacy/analysis/advice.ts'
import type { WatchedLibp2p } from './privacy/collector/metadata-collector.ts'
import type { ReadableLedger } from './interface/ledger.ts'
import type { PrivacyReport, PrivacyThresholds } from './interface/privacy.ts'

export interface NodePrivacyInit {
  /** Absent where nobody writes down who learnt what */
  readonly ledger?: ReadableLedger
  /** Observers that the configuration names: they are no third parties */
  readonly named: readonly string[]
  /** What advice has to fit: the mode, and which routers are the user's own */
  readonly node?: AnalyzedNode
}

/** What a node tells of who learns what of it: `node.privacy` */
export class NodePrivacy {
  readonly #init: NodePrivacyInit
  #collector: MetadataCollector | undefined

  constructor (init: NodePrivacyInit) {
    this.#init = init
  }

  /** Who learnt what; absent with `ledger: false`, and where an own ledger only can write */
  get ledger (): ReadableLedger | undefined {
    return this.#init.ledger
  }

  /** Who is and was connected, and what they speak: there from the first start on */
  get collector (): MetadataCollector {
    if (this.#collector == null) {
      throw new NotRunningError('Nobody watches the node yet: start it first')
    }
    return this.#collector
  }

  /** What others could learn from what was seen so far: ledger and connections */
  analyze (thresholds?: Partial<PrivacyThresholds>): PrivacyReport {
    return new PrivacyAnalyzer(this.collector, thresholds, { named: this.#init.named, node: this.#init.node }).analyze()
  }

  /** Called by the node when it has started: libp2p is the same over restarts, and so is who watches it */
  watch (libp2p: WatchedLibp2p): void {
    this.#collector ??= new MetadataCollector(libp2p, { ledger: this.#init.ledger })
  }
}
