import { LRUCache } from 'lru-cache'
import { Explanation } from './story.ts'
import { Timeline } from './timeline.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey, ProviderId } from '../interface/provider.ts'
import type { Phase } from './timeline.ts'
import type { CID } from 'multiformats/cid'

/** What was done lately, by block: the last retrieval of each, bounded */
export class Stories {
  readonly #clock: Clock
  readonly #timelines: LRUCache<BlockKey, Timeline>

  constructor (clock: Clock, max: number) {
    this.#clock = clock
    this.#timelines = new LRUCache({ max })
  }

  add (key: BlockKey, timeline: Timeline): void {
    this.#timelines.set(key, timeline)
  }

  /** A local hit is a story only where there is none of a retrieval: that one says more */
  cached (cid: CID, key: BlockKey, bytes: number, shared = false): void {
    if (!this.#timelines.has(key)) {
      const timeline = new Timeline(cid.toString(), this.#clock)
      timeline.add('cache', `${bytes} bytes from the ${shared ? 'shared cache' : 'local store'}, verified`)
      timeline.end('cached', shared ? 'no provider was asked' : 'nobody was asked, and nobody outside learnt of it')
      this.#timelines.set(key, timeline)
    }
  }

  /** One more thing that was done about it, if it has a story */
  tell (key: BlockKey, phase: Phase, what: string, provider?: ProviderId): void {
    this.#timelines.get(key)?.add(phase, what, provider == null ? {} : { provider })
  }

  get (key: BlockKey): Explanation | undefined {
    const timeline = this.#timelines.get(key)
    return timeline == null ? undefined : new Explanation(timeline)
  }
}
