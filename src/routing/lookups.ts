import { lookup } from './lookup.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { Timeline } from './timeline.ts'
import type { Provider, ProviderSource } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** Not more often than this, in ms, per group */
const TOP_UP_INTERVAL = 10_000

export interface LookupsInit {
  readonly env: RoutingEnvironment
  readonly want: Want
  /** The root of the DAG, when the block is known to be a child of it */
  readonly parent?: Want
  readonly request: RoutingRequest
  readonly group: ProviderGroup
  readonly timeline: Timeline
  onStart (want: Want): void
  onProvider (provider: Provider): void
  /** A lookup ended */
  onDone (): void
}

/** The lookups of one retrieval: of the block, of the root of its DAG, of the last resort; one at a time */
export class Lookups {
  readonly #init: LookupsInit
  readonly #controller = new AbortController()
  #stage: 'deferred' | 'running' | 'done' = 'deferred'
  #parentAsked = false
  #lastResortAsked = false
  #cancelLinger: () => void = () => {}
  /** Sources that failed: while there are any, a miss is not certain */
  failures = 0

  constructor (init: LookupsInit) {
    this.#init = init
  }

  get stage (): 'deferred' | 'running' | 'done' {
    return this.#stage
  }

  /** There is somebody to ask who has it; whoever is connected anyway was not named, and is found by asking */
  get any (): boolean {
    return this.#sources(false).length > 0
  }

  /** Asks the ordinary sources for the block, once a round */
  start (): void {
    if (this.#stage === 'deferred') {
      this.#run(this.#init.want, this.#sources(false))
    }
  }

  /** Beside a read that does not wait for it */
  topUp (): void {
    if (this.#init.env.clock.now() - this.#init.group.lookedUpAt > TOP_UP_INTERVAL) {
      this.start()
    }
  }

  /** One step further; false when there is none left */
  widen (): boolean {
    const { parent, request, timeline, want } = this.#init

    if (this.#stage === 'deferred') {
      this.start()
      return true
    }

    if (parent != null && !this.#parentAsked) {
      this.#parentAsked = true
      timeline.add('discovery', 'no provider of its own: looking for the root of its DAG')
      this.#run(parent, this.#sources(false))
      return true
    }

    const lastResort = this.#sources(true)

    if (this.#init.env.switches(request.mode).connectedPeers && !this.#lastResortAsked && lastResort.length > 0) {
      this.#lastResortAsked = true
      this.#run(want, lastResort)
      return true
    }

    return false
  }

  /** A new round: everybody may be asked again */
  again (): void {
    this.#stage = 'deferred'
    this.#parentAsked = false
    this.#lastResortAsked = false
    this.start()
  }

  /** The read is over. More providers of the same DAG are worth a moment; after a failure they are not. */
  end (linger: boolean): void {
    const { env: { clock, params, switches }, request } = this.#init

    if (this.#stage !== 'running') {
      // nobody listens, and an error for nobody costs as much as the hash of a block
      return
    }

    if (!linger || !switches(request.mode).lookupLinger) {
      this.#controller.abort()
      return
    }

    this.#cancelLinger = clock.schedule(params.lookup.linger, () => { this.#controller.abort() })
    this.#controller.signal.addEventListener('abort', this.#cancelLinger, { once: true })
  }

  #sources (lastResort: boolean): readonly ProviderSource[] {
    return this.#init.env.sources().filter(source => (source.lastResort === true) === lastResort)
  }

  #run (want: Want, sources: readonly ProviderSource[]): void {
    const { env, request, timeline, group } = this.#init

    if (sources.length === 0) {
      this.#stage = 'done'
      this.#init.onDone()
      return
    }

    this.#stage = 'running'
    group.lookedUpAt = env.clock.now()
    env.stats.lookups++
    this.#init.onStart(want)
    const end = (): void => { this.#controller.abort() }
    env.background.add(end)

    lookup({
      clock: env.clock,
      sources,
      want,
      request: request.with({ signal: this.#controller.signal }),
      timeline,
      params: env.params.lookup,
      answers: env.windows.answers,
      book: env.stats.sources,
      onProvider: provider => {
        env.stats.providersFound++
        this.#init.onProvider(provider)
      },
      onError: (source, err) => {
        env.stats.lookupsFailed++
        env.log.error('source %s failed for %s - %e', source, want.cid, err)
      }
    }).then(failed => {
      this.failures += failed
    }, err => {
      this.failures++
      env.log.error('lookup for %s failed - %e', want.cid, err)
    }).finally(() => {
      env.background.delete(end)
      this.#cancelLinger()
      this.#stage = 'done'
      this.#init.onDone()
    })
  }
}
