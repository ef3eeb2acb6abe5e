import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { fromString } from 'uint8arrays/from-string'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockKey, Provider, ProviderId } from '../interface/provider.ts'

/** Providers remembered in one group: plenty to ask for one block */
export const DEFAULT_MEMBERS = 16

const DAG_PB = 0x70

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

/** Of those who delivered related content, asked without anybody saying that they have this: each learns of it */
export const MAX_RELATIVES = 4
/** Below it they are left alone: they said no nine times of ten */
const LEAST_BELIEF = 0.3
/** Ways to one member whose answers are told apart. Addresses change: the last ones count. */
const MAX_ANSWERERS = 8

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
  /** The key of the root; the name of a publisher in a group that is of no root */
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

  constructor (root: BlockKey, cid?: CID, limit = DEFAULT_MEMBERS) {
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
  return what === 'directory' || PRIVACY_PRESETS[mode].related
}

export function cidOf (root: BlockKey): CID {
  return CID.createV1(DAG_PB, decode(fromString(root, 'base64url')))
}
