import { Key } from 'interface-datastore/key'
import { LRUCache } from 'lru-cache'
import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { fromString } from 'uint8arrays/from-string'
import { DagLinks } from './dag-links.ts'
import { decodeProviders, encodeProviders } from './stored-providers.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { BlockKey, Provider, ProviderId } from '../interface/provider.ts'
import type { Datastore } from 'interface-datastore'

export interface AffinityParams {
  /** Roots remembered: with eight providers each about 1 kB apiece */
  readonly roots: number
  /** Providers remembered per root */
  readonly providers: number
  /** Child to root relations remembered: a 12 GB working set of 256 KiB blocks */
  readonly links: number
}

export const DEFAULT_AFFINITY: AffinityParams = { roots: 2_000, providers: 16, links: 50_000 }

const DAG_PB = 0x70

export const AFFINITY_PREFIX = '/portolan/affinity/v1'

export interface Member {
  provider: Provider
  delivered: number
  lacked: number
  /** By who answered for it (see `answererOf`): what one lacked whom a record merely named beside it says nothing about the others */
  readonly answers: Map<ProviderId, Answers>
}

interface Answers {
  delivered: number
  lacked: number
}

/**
 * Who is known to have parts of one DAG. Losing a race or lacking a block does
 * not remove anybody: it only weighs in the next choice.
 */
export class ProviderGroup {
  readonly root: BlockKey
  /** For lookups of the root itself. Routers go by the multihash: the codec does not matter. */
  readonly cid: CID
  readonly #limit: number
  readonly #members = new Map<ProviderId, Member>()
  /** Monotonic time of the last lookup made for this group */
  lookedUpAt = -Infinity
  dirty = false
  /** The datastore has an entry for it */
  stored = false

  constructor (root: BlockKey, cid: CID = CID.createV1(DAG_PB, decode(fromString(root, 'base64url'))), limit = DEFAULT_AFFINITY.providers) {
    this.root = root
    this.cid = cid
    this.#limit = limit
  }

  get members (): Iterable<Member> {
    return this.#members.values()
  }

  get size (): number {
    return this.#members.size
  }

  get deliverers (): number {
    let count = 0

    for (const member of this.#members.values()) {
      count += member.delivered > 0 ? 1 : 0
    }

    return count
  }

  get (id: ProviderId): Member | undefined {
    return this.#members.get(id)
  }

  add (provider: Provider): void {
    const member = this.#members.get(provider.id)

    if (member != null) {
      member.provider = provider
      return
    }

    if (this.#members.size >= this.#limit) {
      const worst = [...this.#members.values()].sort((a, b) => a.delivered - b.delivered || b.lacked - a.lacked)[0]

      if (worst == null || worst.delivered > 0) {
        return
      }

      this.#members.delete(worst.provider.id)
    }

    this.#members.set(provider.id, { provider, delivered: 0, lacked: 0, answers: new Map() })
  }

  /** @param answerer - who answered for it */
  delivered (provider: Provider, answerer: ProviderId = provider.id): void {
    this.add(provider)
    const member = this.#members.get(provider.id)

    if (member != null) {
      this.dirty ||= member.delivered === 0
      member.delivered++
      answersOf(member, answerer).delivered++
    }
  }

  lacked (id: ProviderId, answerer: ProviderId = id): void {
    const member = this.#members.get(id)

    if (member != null) {
      member.lacked++
      answersOf(member, answerer).lacked++
    }
  }

  /** Belief that a member has a block of this DAG; recent answers would weigh more, but counts are enough */
  has (id: ProviderId, answerer: ProviderId = id): number {
    const { delivered = 0, lacked = 0 } = this.#members.get(id)?.answers.get(answerer) ?? {}

    // eight at most: a provider that got the rest of the DAG since is believed again soon
    const total = delivered + lacked
    const scale = total > 8 ? 8 / total : 1
    return (delivered * scale + 2) / (total * scale + 2.5)
  }
}

/** Addresses change: the last ways count */
const MAX_ANSWERERS = 8

function answersOf ({ answers }: Member, answerer: ProviderId): Answers {
  const known = answers.get(answerer) ?? { delivered: 0, lacked: 0 }
  answers.delete(answerer)
  answers.set(answerer, known)

  for (const oldest of answers.keys()) {
    if (answers.size <= MAX_ANSWERERS) {
      break
    }
    answers.delete(oldest)
  }

  return known
}

/** The groups of the roots read lately, which child belongs to which, and the deliverers across restarts */
export class Affinity {
  readonly #params: AffinityParams
  readonly #groups: LRUCache<BlockKey, ProviderGroup>
  readonly #links: DagLinks
  readonly #gone = new Set<BlockKey>()
  #unreadable: Key[] = []
  #dropped = 0

  constructor (params: AffinityParams = DEFAULT_AFFINITY) {
    this.#params = params
    this.#groups = new LRUCache({
      max: params.roots,
      dispose: (group, root, reason) => {
        if (reason === 'evict' && group.stored && this.#gone.size < params.roots) {
          this.#gone.add(root)
        }
      }
    })
    this.#links = new DagLinks(params.links)
  }

  get size (): number {
    return this.#groups.size
  }

  /** The group of a root, made when there is none */
  group (root: BlockKey, cid?: CID): ProviderGroup {
    let group = this.#groups.get(root)

    if (group == null) {
      group = new ProviderGroup(root, cid, this.#params.providers)
      this.#groups.set(root, group)
      this.#gone.delete(root)
    }

    return group
  }

  /** The root a block is known to belong to, and its expected size */
  parent (key: BlockKey): { root: BlockKey, size?: number } | undefined {
    return this.#links.parent(key)
  }

  /** Remembers that these blocks belong to a root */
  link (root: BlockKey, children: Iterable<{ key: BlockKey, size?: number }>): void {
    this.#links.link(root, children)
  }

  /** Remembers the links of a block as belonging to a root: the one given, the one it belongs to itself, or itself */
  linkBlock (root: BlockKey | undefined, cid: CID, bytes: Uint8Array): void {
    this.#links.linkBlock(root, cid, bytes)
  }

  /** Entries that could not be read */
  stats (): { dropped: number } {
    return { dropped: this.#dropped }
  }

  async load (datastore: Datastore, logger: ComponentLogger, options: { signal?: AbortSignal } = {}): Promise<void> {
    const log: Logger = logger.forComponent('portolan:routing:affinity')
    this.#unreadable = []

    for await (const { key, value } of datastore.query({ prefix: `${AFFINITY_PREFIX}/`, limit: this.#params.roots }, options)) {
      try {
        const providers = decodeProviders(value, this.#params.providers)
        const group = this.group(key.baseNamespace())

        for (const provider of providers) {
          group.delivered(provider)
        }

        group.dirty = false
        group.stored = true
      } catch (err) {
        this.#dropped++
        this.#unreadable.push(key)
        log.error('dropped an unreadable affinity entry %s - %e', key, err)
      }
    }
  }

  /** Writes the deliverers of the groups that changed */
  async save (datastore: Datastore): Promise<void> {
    const batch = datastore.batch()
    const gone = [...this.#gone]
    const unreadable = this.#unreadable
    const changed = [...this.#groups.values()].filter(group => group.dirty)

    for (const key of [...unreadable, ...gone.map(keyOf)]) {
      batch.delete(key)
    }

    for (const group of changed) {
      group.dirty = false
      const deliverers = [...group.members]
        .filter(member => member.delivered > 0)
        .sort((a, b) => b.delivered - a.delivered)
        .map(({ provider }) => provider)
      batch.put(keyOf(group.root), encodeProviders(deliverers, this.#params.providers))
    }

    try {
      await batch.commit()
    } catch (err) {
      changed.forEach(group => { group.dirty = true })
      throw err
    }

    this.#unreadable = []
    changed.forEach(group => { group.stored = true })
    gone.forEach(root => { this.#gone.delete(root) })
  }
}

function keyOf (root: BlockKey): Key {
  return new Key(`${AFFINITY_PREFIX}/${root}`)
}
