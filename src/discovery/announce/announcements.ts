import { CID } from 'multiformats/cid'
import { addressEndpoint, withoutPeer } from '../../provider/endpoint.ts'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { ownRequests } from '../own-requests.ts'
import { AnnounceSchedule } from './announce-schedule.ts'
import { ANNOUNCED_PREFIX, AnnouncedTable, CHOSEN_PREFIX } from './announced-table.ts'
import { ChosenBlocks } from './chosen-blocks.ts'
import { SweepAnnouncer } from './sweep-announcer.ts'
import type { AnnounceScheduleStats } from './announce-schedule.ts'
import type { ChosenStats } from './chosen-blocks.ts'
import type { AnnounceStats, SweepAnnouncerComponents } from './sweep-announcer.ts'
import type { Discloses } from '../kad/walker.ts'
import type { AnnounceOptions, AnnounceResult, AnnounceWatcher } from '../../interface/announce.ts'
import type { Ledger } from '../../interface/disclosure.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface DiscoveryAnnounceInit {
  /** Whether anybody who comes for a block gets it: where nobody does, nothing is announced. @default somebody does */
  serves? (): boolean
  /** What each peer that is asked or told about a block is disclosed with. @default it is recorded nowhere */
  request? (cid: CID): Discloses
  /**
   * Whether a block is still stored: what is not is not announced again. Asked
   * with a CID of the same hash that says nothing of the codec. @default all are
   */
  has? (cid: CID, options: { signal: AbortSignal }): Promise<boolean> | boolean
  /**
   * What is announced without having been asked for, soon and then every 22 h as long as it is named here: what is pinned,
   * all roots, what somebody wrote (`announceSource`). Read after the start, and once in 22 h. @default nothing
   */
  source? (options: { signal: AbortSignal }): AsyncIterable<CID>
  /** Tells of what comes and goes between two readings, so that it is announced within a minute or so, or no more. @default nobody does */
  watch? (watcher: AnnounceWatcher): () => void
}

export interface AnnouncementsComponents extends Omit<SweepAnnouncerComponents, 'addresses' | 'serves'> {
  /** Where it is written down who is told, unless `request` does it. @default nowhere */
  readonly ledger?: Ledger
  readonly policy: AddressPolicy
  /** Those that the node believes it has */
  addresses (): Multiaddr[]
}

export type AnnouncementsStats = AnnounceStats & AnnounceScheduleStats & ChosenStats

/** All that is announced: at once when somebody asks for it, and again as long as it is stored */
export class Announcements {
  readonly #asked: AnnouncedTable
  readonly #chosen: ChosenBlocks
  readonly #announcer: SweepAnnouncer
  readonly #schedule: AnnounceSchedule
  readonly #request: (cid: CID) => Discloses

  constructor (components: AnnouncementsComponents, { serves = () => true, request = ownRequests(components, 'announce'), has, source, watch }: DiscoveryAnnounceInit = {}) {
    const { clock, random, log, self, policy } = components
    const announcer = new SweepAnnouncer({ ...components, serves, addresses: () => reachableAt(components.addresses(), self, policy) })
    this.#announcer = announcer
    this.#request = request
    this.#asked = new AnnouncedTable(undefined, () => this.#chosen.announced.size)
    const common = { clock, random, log, has, check: () => { announcer.check() } }
    const announce = async (cids: Iterable<CID>, options: AnnounceOptions): Promise<unknown> => announcer.announce(cids, request, options)
    this.#chosen = new ChosenBlocks({ ...common, asked: this.#asked, source, watch, announce })
    this.#schedule = new AnnounceSchedule({ ...common, table: this.#asked, chosen: this.#chosen, announce })
  }

  /** To be kept over restarts */
  get tables (): ReadonlyArray<{ table: KeptTable, prefix: string, name: string }> {
    return [
      { table: this.#asked, prefix: ANNOUNCED_PREFIX, name: 'discovery:announced' },
      { table: this.#chosen.announced, prefix: CHOSEN_PREFIX, name: 'discovery:chosen' }
    ]
  }

  start (): void {
    this.#announcer.start()
  }

  /** What was announced by an earlier run is known, or will never be */
  restored (): void {
    this.#schedule.start()
    this.#chosen.start()
  }

  async stop (): Promise<void> {
    await Promise.all([this.#schedule.stop(), this.#chosen.stop(), this.#announcer.stop()])
  }

  async announce (cids: Iterable<CID> | AsyncIterable<CID>, { request = this.#request, ...options }: AnnounceOptions & { request? (cid: CID): Discloses } = {}): Promise<AnnounceResult> {
    return this.#announcer.announce(this.#noted(cids), request, options)
  }

  cancel (cids: Iterable<CID>): number {
    return this.#schedule.cancel(cids)
  }

  stats (): AnnouncementsStats {
    return { ...this.#announcer.stats(), ...this.#schedule.stats(), ...this.#chosen.stats() }
  }

  async * #noted (cids: Iterable<CID> | AsyncIterable<CID>): AsyncGenerator<CID, void, undefined> {
    for await (const value of cids) {
      const cid = CID.asCID(value)

      if (cid != null) {
        this.#schedule.add(cid)
      }
      yield value
    }
  }
}

/** Where others are told to find us: nowhere that they could not come to */
function reachableAt (addresses: readonly Multiaddr[], self: string, policy: AddressPolicy): string[] {
  return addresses.map(address => withoutPeer(address.toString(), self)).filter(address => {
    const endpoint = addressEndpoint(address)
    return endpoint?.port != null && policy.allows(endpoint.host, endpoint.port)
  }).slice(0, MAX_ADDRESSES)
}
