import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { blockKey } from '../block/key.ts'
import { DagLinks } from './dag-links.ts'
import { GroupTable } from './group-table.ts'
import { DEFAULT_MEMBERS, ProviderGroup, cidOf } from './provider-group.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import type { Relation } from './provider-group.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { BlockKey, Provider } from '../interface/provider.ts'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export interface AffinityParams {
  /** Roots remembered: with eight providers each about 1 kB apiece */
  readonly roots: number
  /** Providers remembered per root */
  readonly providers: number
  /** Child to root relations remembered: a 12 GB working set of 256 KiB blocks */
  readonly links: number
}

export const DEFAULT_AFFINITY: AffinityParams = { roots: 2_000, providers: DEFAULT_MEMBERS, links: 50_000 }

export const AFFINITY_PREFIX = '/portolan/affinity/v1'
export const DIRECTORIES_PREFIX = '/portolan/affinity-directories/v1'
export const PUBLISHERS_PREFIX = '/portolan/affinity-publishers/v1'

/** Of the root itself, where it was read as a directory of another one, and of each directory further up */
const NEAREST = 0.9
const FURTHER = 0.9
const OF_PUBLISHER = 0.6
/** Directories looked at, nearest first */
const MAX_DIRECTORIES = 4
/** Names that are used for the content of one root: a name, and the one that leads to it */
const MAX_PUBLISHERS = 2

/** As part of a key in a datastore */
function nameOf (publisher: string): string {
  return toString(fromString(publisher), 'base64url')
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
    const group = publisher == null || !PRIVACY_PRESETS[mode].related ? undefined : this.#publishers.peek(nameOf(publisher))
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
