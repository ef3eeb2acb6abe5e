import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { blockKey } from '../block/key.ts'
import { DagLinks } from './dag-links.ts'
import { GroupTable } from './group-table.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { ComponentLogger } from '../interface/logger.ts'
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
export const DIRECTORIES_PREFIX = '/portolan/affinity-directories/v1'
export const PUBLISHERS_PREFIX = '/portolan/affinity-publishers/v1'

/**
 * Whose content it is, seen from a root: of a directory that the root is in, or of
 * the same publisher. How far what is known there is believed here: a directory
 * is most often kept whole, a publisher's older things need not be where the new ones are.
 */
export interface Relation {
  readonly what: 'directory' | 'publisher'
  readonly group: ProviderGroup
  readonly belief: number
}

/** Of the root itself, where it was read as a directory of another one, and of each directory further up */
const NEAREST = 0.9
const FURTHER = 0.9
const OF_PUBLISHER = 0.6
/** Directories looked at, nearest first */
const MAX_DIRECTORIES = 4
/** Names that are used for the content of one root: a name, and the one that leads to it */
const MAX_PUBLISHERS = 2
/** Of those who delivered related content, asked without anybody saying that they have this: each learns of it */
export const MAX_RELATIVES = 4
/** Below it they are left alone: they said no nine times of ten */
const LEAST_BELIEF = 0.3

export interface Member {
  provider: Provider
  delivered: number
  lacked: number
  /** By who answered for it (see `answererOf`): what one lacked whom a record merely named beside it says nothing about the others */
  readonly answers: Map<ProviderId, Answers>
  /** Nobody has said that it has any of this: it delivered what is related in this way */
  related?: Relation
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
  #cid: CID | undefined
  readonly #limit: number
  readonly #members = new Map<ProviderId, Member>()
  /** Monotonic time of the last lookup made for this group */
  lookedUpAt = -Infinity
  dirty = false
  /** The datastore has an entry for it */
  stored = false
  /** Nearest first */
  relations: readonly Relation[] = []

  constructor (root: BlockKey, cid?: CID, limit = DEFAULT_AFFINITY.providers) {
    this.root = root
    this.#cid = cid
    this.#limit = limit
  }

  /** For lookups of the root itself. Routers go by the multihash: the codec does not matter. */
  get cid (): CID {
    this.#cid ??= cidOf(this.root)
    return this.#cid
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
      member.related = undefined
      return
    }

    this.#join(provider)
  }

  #join (provider: Provider): void {
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
      if (member.delivered++ === 0) {
        // one word for each root: a large file must not drown what the others said
        this.relations.forEach(({ group }) => { group.delivered(provider, answerer) })
      }
      answersOf(member, answerer).delivered++
    }
  }

  lacked (id: ProviderId, answerer: ProviderId = id): void {
    const member = this.#members.get(id)

    if (member != null) {
      if (member.lacked++ === 0) {
        this.relations.forEach(({ group }) => { group.lacked(id, answerer) })
      }
      answersOf(member, answerer).lacked++
    }
  }

  /** Belief that a member has a block of this DAG; recent answers would weigh more, but counts are enough */
  has (id: ProviderId, answerer: ProviderId = id): number {
    const { delivered = 0, lacked = 0 } = this.#members.get(id)?.answers.get(answerer) ?? {}

    // eight at most: a provider that got the rest of the DAG since is believed again soon
    const total = delivered + lacked
    const scale = total > 8 ? 8 / total : 1
    const related = this.#members.get(id)?.related
    // nobody said that it has this: as far as it is believed to have what is related
    const before = related == null ? 0.8 : related.belief * related.group.has(id, answerer)
    return (delivered * scale + before * 2.5) / (total * scale + 2.5)
  }

  /** Whom to ask for a block of this before anybody was found, under this mode: strangers to the root only where the mode allows it */
  * known (mode: PrivacyMode): Generator<Provider, void, undefined> {
    for (const { provider, related, delivered } of this.#members.values()) {
      if (delivered > 0 || related == null || mayAsk(related, mode)) {
        yield provider
      }
    }
  }

  /** Takes in those who delivered what is related, nearest first, a few. Returns how many there are. */
  relate (mode: PrivacyMode): number {
    let count = [...this.#members.values()].filter(({ related }) => related != null).length

    for (const relation of this.relations.filter(relation => mayAsk(relation, mode))) {
      const deliverers = [...relation.group.members]
        .filter(({ provider: { id }, delivered, related }) => delivered > 0 && related == null && !this.#members.has(id) && relation.group.has(id) >= LEAST_BELIEF)
        .sort((a, b) => relation.group.has(b.provider.id) - relation.group.has(a.provider.id))

      for (const { provider } of deliverers.slice(0, Math.max(0, MAX_RELATIVES - count))) {
        this.#join({ ...provider, source: 'affinity' })
        const member = this.#members.get(provider.id)

        if (member != null) {
          member.related = relation
          count++
        }
      }
    }
    return count
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

/** Only named parties learn of a read in mode `strict`; who delivered a directory has seen the names of what is in it */
function mayAsk ({ what }: Relation, mode: PrivacyMode): boolean {
  return what === 'directory' || mode !== 'strict'
}

/** As part of a key in a datastore */
function nameOf (publisher: string): string {
  return toString(fromString(publisher), 'base64url')
}

function cidOf (root: BlockKey): CID {
  return CID.createV1(DAG_PB, decode(fromString(root, 'base64url')))
}

/** The groups of the roots read lately, which child belongs to which, how roots are related, and the deliverers across restarts */
export class Affinity {
  readonly #roots: GroupTable
  readonly #directories: GroupTable
  readonly #publishers: GroupTable
  readonly #links: DagLinks
  readonly #providers: number

  constructor ({ roots: max, providers, links }: AffinityParams = DEFAULT_AFFINITY) {
    const ofRoot = (root: string): ProviderGroup => new ProviderGroup(root, cidOf(root), providers)
    this.#roots = new GroupTable({ prefix: AFFINITY_PREFIX, max, providers, make: ofRoot })
    this.#directories = new GroupTable({ prefix: DIRECTORIES_PREFIX, max, providers, make: ofRoot })
    this.#publishers = new GroupTable({ prefix: PUBLISHERS_PREFIX, max, providers, make: name => new ProviderGroup(name, undefined, providers) })
    this.#providers = providers
    this.#links = new DagLinks(links)
  }

  get size (): number {
    return this.#roots.size
  }

  /** The group of a root, made when there is none */
  group (root: BlockKey, cid?: CID): ProviderGroup {
    return this.#roots.get(root, () => new ProviderGroup(root, cid, this.#providers))
  }

  /** The group that a block is read for, with what is related to it: that of the root given, or of the one that it is known to belong to, or its own */
  reading (key: BlockKey, cid: CID, root?: CID, publisher?: string): ProviderGroup {
    const parent = root == null ? this.parent(key) : undefined
    const group = root == null ? this.group(parent?.root ?? key, parent == null ? cid : undefined) : this.group(blockKey(root), root)
    group.relations = this.#relations(group, publisher)
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

  /** Who delivered what a publisher published, for reads under this mode */
  published (publisher: string | undefined, mode: PrivacyMode): readonly Provider[] {
    const group = publisher == null || mode === 'strict' ? undefined : this.#publishers.peek(nameOf(publisher))
    return [...group?.members ?? []].map(({ provider }) => provider)
  }

  /** A block came: its links belong to the root, and whoever brought it has some of the directory that it is in, which may be far below the root */
  delivered (root: BlockKey, cid: CID, bytes: Uint8Array, provider: Provider): void {
    const directory = this.#links.directory(blockKey(cid))
    this.linkBlock(root, cid, bytes)

    if (directory != null && directory !== root) {
      this.#directories.get(directory).delivered(provider)
    }
  }

  /** Entries that could not be read */
  stats (): { dropped: number } {
    return { dropped: this.#roots.dropped + this.#directories.dropped + this.#publishers.dropped }
  }

  async load (datastore: Datastore, logger: ComponentLogger, options: { signal?: AbortSignal } = {}): Promise<void> {
    const log = logger.forComponent('portolan:routing:affinity')
    await Promise.all([this.#roots, this.#directories, this.#publishers].map(async table => table.load(datastore, log, options)))
  }

  /** Writes the deliverers of the groups that changed */
  async save (datastore: Datastore): Promise<void> {
    await Promise.all([this.#roots, this.#directories, this.#publishers].map(async table => table.save(datastore)))
  }

  #relations (group: ProviderGroup, publisher?: string): readonly Relation[] {
    const named = publisher == null ? undefined : this.#publishers.get(nameOf(publisher))
    const directories = [group.root, ...this.#links.above(group.root, MAX_DIRECTORIES)]
      .flatMap((key, depth) => [this.#directories.peek(key), this.#roots.peek(key)]
        .filter(related => related != null && related !== group)
        .map(related => ({ what: 'directory' as const, group: related as ProviderGroup, belief: NEAREST * FURTHER ** depth })))
    const publishers = group.relations.filter(({ what, group }) => what === 'publisher' && group !== named)

    if (directories.length === 0 && named == null) {
      return publishers
    }
    return [...directories, ...[...named == null ? [] : [{ what: 'publisher' as const, group: named, belief: OF_PUBLISHER }], ...publishers].slice(0, MAX_PUBLISHERS)]
  }
}
