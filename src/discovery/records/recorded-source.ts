import { LRUCache } from 'lru-cache'
import { raceSignal } from '../../clock/race-signal.ts'
import { SharedLookup } from './shared-lookup.ts'
import type { ProviderRecords } from './provider-records.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure, DisclosureInit, PrivacyMode } from '../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { BlockKey, Provider, ProviderId, ProviderSource } from '../../interface/provider.ts'
import type { Outcome } from '../../interface/outcome.ts'
import type { Purpose, Request } from '../../interface/request.ts'
import type { LookupsStats } from '../../interface/stats.ts'
import type { CID } from 'multiformats/cid'

export interface RecordedComponents {
  readonly source: ProviderSource
  readonly records: ProviderRecords
  readonly clock: Clock
  readonly logger: ComponentLogger
}

export interface RecordedStats extends Omit<LookupsStats, 'records' | 'kept'> {
  /** Providers that it named were asked, and blocks that came of it, as the routing above tells */
  readonly retrievals: number
  readonly successfulRetrievals: number
}

/** Milliseconds that a lookup goes on for the sake of the next reader: what the routing above gives one, too */
const RENEWAL = 15_000
/** Lookups that nobody waits for: more are given up */
const MAX_RENEWALS = 8
/** Keys looked up at a time: those of more reads than a node can have under way are not shared */
const MAX_LOOKUPS = 4_096
/** Providers of one lookup: as many as the routing above can be told to take */
const MAX_FOUND = 256
/** What is said of them: a walk names one again with other addresses, a few times */
const MAX_NAMED = 4 * MAX_FOUND
/** Things that a lookup says of itself */
const MAX_NOTES = 8
/** Requests remembered that were answered from memory */
const MAX_ANSWERED = 4_096

/**
 * A source that remembers: what it said is fresh for minutes, and good enough to
 * begin with while it is asked again. Askers of one key share one lookup, and
 * whoever comes back in the same retrieval had no use for what was remembered.
 */
export class RecordedSource implements ProviderSource {
  readonly name: string
  readonly lastResort?: boolean
  readonly later?: boolean
  readonly #components: RecordedComponents
  readonly #log: Logger
  readonly #lookups = new Map<string, Lookup>()
  readonly #renewals = new Set<Lookup>()
  readonly #answered = new LRUCache<string, true>({ max: MAX_ANSWERED })
  readonly #stats = { lookups: 0, hits: 0, stale: 0, joined: 0, staleOnError: 0, retrievals: 0, successfulRetrievals: 0 }

  constructor (components: RecordedComponents) {
    this.name = components.source.name
    this.lastResort = components.source.lastResort
    this.later = components.source.later
    this.#components = components
    this.#log = components.logger.forComponent('portolan:discovery:records')
  }

  stats (): RecordedStats {
    return { ...this.#stats }
  }

  settled (_provider: ProviderId, outcome: Outcome): void {
    this.#stats.retrievals += outcome === 'cancelled' ? 0 : 1
    this.#stats.successfulRetrievals += outcome === 'delivered' ? 1 : 0
  }

  /** Ends what is under way */
  stop (): void {
    this.#lookups.forEach(lookup => { lookup.controller.abort() })
  }

  async * find (want: { cid: CID, key: BlockKey }, request: Request): AsyncGenerator<Provider, void, undefined> {
    if (request.signal.aborted) {
      return
    }

    const answer = this.#components.records.get(this.name, want.key)
    const retrieval = `${request.id} ${want.key}`

    if (answer != null && answer.fresh && !this.#answered.has(retrieval)) {
      this.#answered.set(retrieval, true)
      this.#stats.hits++
      yield * answer.providers
      return
    }

    const lookup = this.#join(want, request, answer != null)
    const seat = lookup.shared.take()
    const told = new Map<ProviderId, Set<string>>()

    try {
      if (answer != null) {
        this.#stats.stale++
        for (const provider of answer.providers) {
          isNews(provider, told)
          yield provider
        }
      }
      for await (const provider of seat.listen(request.signal)) {
        if (isNews(provider, told)) {
          yield provider
        }
      }
    } catch (err) {
      if (answer == null) {
        throw err
      }
      this.#stats.staleOnError++
      this.#log('%s failed, what it said before is used - %e', this.name, err)
    } finally {
      lookup.request.left(request)
      seat.leave()
    }
  }

  #join (want: { cid: CID, key: BlockKey }, request: Request, isRenewal: boolean): Lookup {
    // who learns of it is the same in one mode
    const id = `${request.mode} ${want.key}`
    const known = this.#lookups.get(id)

    if (known != null) {
      this.#stats.joined++
      this.#renewals.delete(known)
      known.join(request)
      return known
    }

    const { source, clock } = this.#components
    const lookup = new Lookup(request, () => {
      if (!isRenewal || this.#renewals.size >= MAX_RENEWALS) {
        lookup.controller.abort()
        return
      }
      this.#renewals.add(lookup)
      lookup.leaveIn(clock, RENEWAL)
    })

    this.#stats.lookups++
    if (this.#lookups.size < MAX_LOOKUPS) {
      this.#lookups.set(id, lookup)
    }
    void this.#run(() => source.find(want, lookup.request), lookup, want.key).finally(() => {
      lookup.end()
      this.#renewals.delete(lookup)
      if (this.#lookups.get(id) === lookup) {
        this.#lookups.delete(id)
      }
    })
    return lookup
  }

  /** Never rejects */
  async #run (find: () => AsyncIterable<Provider>, { shared, controller: { signal } }: Lookup, key: BlockKey): Promise<void> {
    const { records } = this.#components
    let iterator: AsyncIterator<Provider> | undefined
    const ids = new Set<ProviderId>()
    let whole = false

    try {
      iterator = find()[Symbol.asyncIterator]()
      while (ids.size < MAX_FOUND && shared.found.length < MAX_NAMED) {
        const next = await raceSignal(iterator.next(), signal)
        if (next.done === true) {
          iterator = undefined
          break
        }
        ids.add(next.value.id)
        shared.add(next.value)
      }
      whole = true
    } catch (err) {
      if (!signal.aborted) {
        shared.fail(err)
      }
    }
    // those who wait for the end must find it here
    if (whole || shared.found.length > 0) {
      records.set(this.name, key, shared.found, whole && !signal.aborted)
    }
    shared.end()
    // a source that hangs hangs in here too: nobody waits for it
    iterator?.return?.().then(undefined, (err: unknown) => { this.#log.error('%s did not stop cleanly - %e', this.name, err) })
  }
}

/** Whether somebody is named, or something is said of it, for the first time; it is told then */
function isNews ({ id, addresses, protocols }: Provider, told: Map<ProviderId, Set<string>>): boolean {
  const known = told.get(id)
  const said = known ?? new Set<string>()
  const before = said.size
  addresses.forEach(address => { said.add(address) })
  protocols.forEach(protocol => { said.add(protocol) })
  told.set(id, said)
  return known == null || said.size > before
}

/** One lookup of the source, made in the name of whoever came first */
class Lookup {
  readonly controller = new AbortController()
  readonly shared: SharedLookup
  readonly request: LookupRequest
  #cancel: () => void = () => {}

  constructor (request: Request, onEmpty: () => void) {
    this.shared = new SharedLookup(onEmpty)
    this.request = new LookupRequest(request, this.controller.signal)
  }

  join (request: Request): void {
    this.#cancel()
    this.request.deadline = Math.max(this.request.deadline, request.deadline)
    this.request.joined(request)
  }

  /** Unless somebody comes */
  leaveIn (clock: Clock, ms: number): void {
    this.request.deadline = clock.now() + ms
    this.#cancel = clock.schedule(ms, () => { this.controller.abort() })
  }

  end (): void {
    this.#cancel()
  }
}

class LookupRequest implements Request {
  readonly signal: AbortSignal
  /** The latest of all who wait */
  deadline: number
  readonly #request: Request
  /** Who waits: each hears what it says of itself, also of what was said before he came */
  readonly #readers = new Set<Request>()
  readonly #notes: string[] = []

  constructor (request: Request, signal: AbortSignal) {
    this.#request = request
    this.#readers.add(request)
    this.signal = signal
    this.deadline = request.deadline
  }

  get id (): string {
    return this.#request.id
  }

  get purpose (): Purpose {
    return this.#request.purpose
  }

  get mode (): PrivacyMode {
    return this.#request.mode
  }

  get priority (): number {
    return this.#request.priority
  }

  get client (): string | undefined {
    return this.#request.client
  }

  get hints (): readonly Provider[] {
    return this.#request.hints
  }

  disclose (init: DisclosureInit): Disclosure {
    return this.#request.disclose(init)
  }

  note (what: string): void {
    if (this.#notes.length < MAX_NOTES) {
      this.#notes.push(what)
      this.#readers.forEach(reader => { reader.note?.(what) })
    }
  }

  joined (request: Request): void {
    this.#readers.add(request)
    this.#notes.forEach(what => { request.note?.(what) })
  }

  left (request: Request): void {
    this.#readers.delete(request)
  }
}
