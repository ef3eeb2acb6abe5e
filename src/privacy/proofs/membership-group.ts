import { systemClock } from '../../clock/system-clock.ts'
import { Turns } from '../../clock/turns.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { MembershipGroupError } from './errors.ts'
import { LeanTree } from './lean-tree.ts'
import { checkMembership, formatTime, GROUP_NAME, parseTime } from './membership.ts'
import { parsePlainJson } from './plain-json.ts'
import { DEPTHS, MIN_GROUP_SIZE } from './statement.ts'
import type { LeanPath } from './lean-tree.ts'
import type { Membership } from './membership.ts'
import type { Depth } from './statement.ts'
import type { Clock } from '../../interface/clock.ts'

/** A fleet of thousands is a second of hashing and as much of signatures; whoever has more has a registry, and no file */
export const MAX_GROUP_SIZE = 4096

/** That many entries have below 2 MB with Ed25519 keys */
export const MAX_GROUP_BYTES = 4_194_304

/** A day: often enough to report, rare enough that members report together */
export const DEFAULT_EPOCH_MS = 86_400_000

/** A minute: an epoch has to be longer than clocks differ */
export const MIN_EPOCH_MS = 60_000

/** A year */
export const MAX_EPOCH_MS = 31_622_400_000

/** Members who were added last: proofs of before are of a smaller group, so not many */
export const MAX_WINDOW = 64

export const GROUP_FORMAT = 'portolan-membership-group'

const KEYS = ['format', 'version', 'name', 'depth', 'epochMs', 'window', 'validFrom', 'validUntil', 'members']

export interface MembershipGroupInit {
  readonly name: string
  /** Levels of the circuit: 10 for up to 1 024 members, or 16. @default the smallest that is enough */
  readonly depth?: Depth
  /** How long a nullifier stands, in ms. @default 86_400_000 */
  readonly epochMs?: number
  /** Proofs from before the last so many members joined are taken too. @default 0 */
  readonly window?: number
  /** Wall clock, in ms; every member has to be valid all that time */
  readonly validFrom: number
  readonly validUntil: number
  /** In the order in which they joined: it makes the tree */
  readonly members: readonly Membership[]
}

const OPTIONS = Object.keys({ name: true, depth: true, epochMs: true, window: true, validFrom: true, validUntil: true, members: true } satisfies Record<keyof MembershipGroupInit, true>)

interface Members {
  readonly commitments: readonly bigint[]
  readonly tree: LeanTree
  readonly roots: ReadonlyMap<bigint, number>
}

interface GroupFields {
  readonly name: string
  readonly depth: Depth
  readonly epochMs: number
  readonly window: number
  readonly validFrom: number
  readonly validUntil: number
}

/** Text of the file of a group. Throws a `MembershipGroupError` where nobody could use it. */
export async function formatMembershipGroup (init: MembershipGroupInit, options: { signal?: AbortSignal } = {}): Promise<string> {
  checkOptionNames('the file of a group', init, OPTIONS)
  const { name, epochMs = DEFAULT_EPOCH_MS, window = 0, validFrom, validUntil, members } = init
  const depth = init.depth ?? (members.length <= 2 ** DEPTHS[0] ? DEPTHS[0] : DEPTHS[1])
  const text = `${JSON.stringify({
    format: GROUP_FORMAT, version: 1, name, depth, epochMs, window, validFrom: formatTime(validFrom), validUntil: formatTime(validUntil), members
  }, null, 2)}\n`

  await MembershipGroup.parse(text, options)
  return text
}

/** Those among whom a member hides: who they are, and since when, is public and signed by each of them */
export class MembershipGroup implements GroupFields {
  readonly name: string
  readonly depth: Depth
  readonly epochMs: number
  readonly window: number
  readonly validFrom: number
  readonly validUntil: number
  readonly size: number
  readonly root: bigint
  readonly #tree: LeanTree
  readonly #leaves: ReadonlyMap<bigint, number>
  /** Roots that are accepted, and how many members each has */
  readonly #roots: ReadonlyMap<bigint, number>

  private constructor (fields: GroupFields, { tree, roots, commitments }: Members) {
    this.name = fields.name
    this.depth = fields.depth
    this.epochMs = fields.epochMs
    this.window = fields.window
    this.validFrom = fields.validFrom
    this.validUntil = fields.validUntil
    this.size = commitments.length
    this.root = tree.root ?? 0n
    this.#tree = tree
    this.#roots = roots
    this.#leaves = new Map(commitments.map((commitment, i) => [commitment, i]))
  }

  /** Reads the file of a group and checks every signature in it. Throws a `MembershipGroupError`. */
  static async parse (source: string | Uint8Array, options: { signal?: AbortSignal, clock?: Pick<Clock, 'now'> } = {}): Promise<MembershipGroup> {
    const { fields, members } = readDocument(source)
    const { signal, clock = systemClock } = options
    // thousands of signatures and hashes are seconds, in which others have their turn
    const step = new Turns(clock).walk(signal)
    const peers = new Set<string>()
    const commitments = new Set<bigint>()

    for (const [i, member] of members.entries()) {
      await step()
      const name = `member ${i + 1} of the group ${quote(fields.name)}`
      const { peer, commitment, validFrom, validUntil } = await checkMembership(member, fields.name, name, { signal })

      if (peers.has(peer)) {
        throw new MembershipGroupError(`${name} is there twice: ${quote(peer)} would count as two`)
      }
      if (commitments.has(commitment)) {
        throw new MembershipGroupError(`${name} has the commitment of another one, who would count as two`)
      }
      if (validFrom > fields.validFrom || validUntil < fields.validUntil) {
        throw new MembershipGroupError(`${name} is a member from ${formatTime(validFrom)} until ${formatTime(validUntil)}, and the group is valid from ${formatTime(fields.validFrom)} until ${formatTime(fields.validUntil)}: leave the member out, or the group valid for less long`)
      }
      peers.add(peer)
      commitments.add(commitment)
    }
    return new MembershipGroup(fields, await grow([...commitments], fields.window, step))
  }

  epochAt (wall: number): number {
    return Math.floor(wall / this.epochMs)
  }

  isValid (wall: number): boolean {
    return wall >= this.validFrom && wall < this.validUntil
  }

  /** How many members a root stands for; undefined when no proof of it is taken */
  sizeOf (root: bigint): number | undefined {
    return this.#roots.get(root)
  }

  /** Undefined for who is no member */
  path (commitment: bigint): LeanPath | undefined {
    const leaf = this.#leaves.get(commitment)
    return leaf == null ? undefined : this.#tree.path(leaf)
  }
}

/** The tree as the last ones joined, and the roots that it had */
async function grow (commitments: readonly bigint[], window: number, step: () => Promise<void> | undefined): Promise<Members> {
  const oldest = Math.max(MIN_GROUP_SIZE, commitments.length - window)
  const tree = await LeanTree.of(commitments.slice(0, oldest), step)
  const roots = new Map([[tree.root ?? 0n, oldest]])

  for (const commitment of commitments.slice(oldest)) {
    tree.push(commitment)
    roots.set(tree.root ?? 0n, tree.size)
    await step()
  }
  return { commitments, tree, roots }
}

function readDocument (source: string | Uint8Array): { fields: GroupFields, members: readonly unknown[] } {
  const document = toDocument(source)
  const { format, version, name, depth, epochMs, window, members } = document
  const strange = Object.keys(document).find(key => !KEYS.includes(key))

  if (format !== GROUP_FORMAT || version !== 1) {
    throw new MembershipGroupError(`the file of a group has "format": "${GROUP_FORMAT}" and "version": 1, this one ${quote(format, 40)} and ${quote(version, 20)}`)
  }
  if (strange != null) {
    throw new MembershipGroupError(`the file of a group has no ${quote(strange, 40)}`)
  }
  if (typeof name !== 'string' || !GROUP_NAME.test(name)) {
    throw new MembershipGroupError(`the name of a group is 1 to 64 letters, digits, ".", "_" or "-", got ${quote(name, 80)}`)
  }
  const levels = DEPTHS.find(levels => levels === depth)
  if (levels == null) {
    throw new MembershipGroupError(`the depth of a group is ${DEPTHS.join(' or ')}, got ${quote(depth, 20)}`)
  }
  if (!isWithin(epochMs, MIN_EPOCH_MS, MAX_EPOCH_MS)) {
    throw new MembershipGroupError(`the epochMs of a group is ${MIN_EPOCH_MS} to ${MAX_EPOCH_MS}, got ${quote(epochMs, 20)}`)
  }
  if (!isWithin(window, 0, MAX_WINDOW)) {
    throw new MembershipGroupError(`the window of a group is 0 to ${MAX_WINDOW} members, got ${quote(window, 20)}`)
  }
  const validFrom = parseTime(document.validFrom)
  const validUntil = parseTime(document.validUntil)
  if (validFrom == null || validUntil == null || validFrom >= validUntil) {
    throw new MembershipGroupError('a group needs a validFrom and a later validUntil, both like 2026-01-31T00:00:00.000Z')
  }
  if (!Array.isArray(members)) {
    throw new MembershipGroupError('the members of a group are a list')
  }
  if (members.length < MIN_GROUP_SIZE) {
    throw new MembershipGroupError(`the group ${quote(name)} has ${members.length} members: below ${MIN_GROUP_SIZE}, to be one of them says too much of who it is`)
  }
  if (members.length > Math.min(MAX_GROUP_SIZE, 2 ** levels)) {
    throw new MembershipGroupError(`the group ${quote(name)} has ${members.length} members, and one of depth ${levels} at most ${Math.min(MAX_GROUP_SIZE, 2 ** levels)}`)
  }
  return { fields: { name, depth: levels, epochMs, window, validFrom, validUntil }, members }
}

function isWithin (value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
}

function toDocument (source: string | Uint8Array): Readonly<Record<string, unknown>> {
  if (source.length > MAX_GROUP_BYTES) {
    throw new MembershipGroupError(`the file of a group has at most ${MAX_GROUP_BYTES} bytes, this one ${source.length}`)
  }
  let value: unknown
  try {
    value = parsePlainJson(source)
  } catch (err) {
    throw new MembershipGroupError(`this is no file of a group: ${(err as Error).message}`, { cause: err })
  }
  if (typeof value !== 'object' || value == null || Array.isArray(value)) {
    throw new MembershipGroupError('the file of a group is an object')
  }
  return value as Readonly<Record<string, unknown>>
}
