import { Turns } from '../clock/turns.ts'
import { quote } from '../interface/quote.ts'
import { fileProblem, readBoundedFile } from '../privacy/proofs/bounded-file.ts'
import { MembershipGroupError } from '../privacy/proofs/errors.ts'
import { formatMembershipGroup, GROUP_FORMAT, MAX_EPOCH_MS, MAX_GROUP_BYTES, MAX_GROUP_SIZE, MAX_WINDOW, MIN_EPOCH_MS } from '../privacy/proofs/membership-group.ts'
import { checkMembership } from '../privacy/proofs/membership.ts'
import { parsePlainJson } from '../privacy/proofs/plain-json.ts'
import { DEPTHS, MIN_GROUP_SIZE } from '../privacy/proofs/statement.ts'
import { UsageError } from './exit-code.ts'
import { DAY } from './proof-join.ts'
import { hours, wholeNumber } from './proof-numbers.ts'
import type { CommandContext } from './command.ts'
import type { CheckedMembership, Membership } from '../privacy/proofs/membership.ts'

/** Of one member: an entry with the longest key and signature has 5 kB */
const MAX_ENTRY_BYTES = 16_384

interface Entry extends CheckedMembership {
  /** Where it was read, for whoever has to look there */
  readonly from: string
  readonly membership: Membership
}

interface Settings {
  readonly depth?: number
  readonly epochMs?: number
  readonly window?: number
}

/** The file of a group of the entries in these files, one of which may be a group's as it was */
export async function groupOfEntries (context: Pick<CommandContext, 'flags' | 'clock' | 'signal'>, name: string, paths: readonly string[], days?: number): Promise<string> {
  const { flags, clock, signal } = context
  const asked = settingsOf(context)
  const without = new Set(flags.without as readonly string[] | undefined)
  const entries: Entry[] = []
  let former: Settings = {}
  // a signature takes a fifth of a millisecond: whoever wants to stop is heard meanwhile
  const step = new Turns(clock).walk(signal)

  for (const path of paths) {
    const { members, settings } = await readMembers(path, name, signal)

    if (settings != null) {
      former = settings
    }
    for (const [i, value] of members.entries()) {
      await step()
      const from = settings == null ? quote(path) : `member ${i + 1} in ${quote(path)}`
      const checked = await checkMembership(value, name, from, { signal })

      // an entry that is handed in is not left out: it may be the one that takes the place of another
      if (settings == null || !without.delete(checked.peer)) {
        entries.push({ ...checked, from, membership: plain(value as Membership) })
      }
      if (entries.length > MAX_GROUP_SIZE) {
        throw new MembershipGroupError(`a group has at most ${MAX_GROUP_SIZE} members`)
      }
    }
  }
  const [absent] = without
  if (absent != null) {
    throw new UsageError(`--without ${quote(absent, 80)} is no member of a group in these files`)
  }
  checkTwice(entries)
  if (entries.length < MIN_GROUP_SIZE) {
    throw new MembershipGroupError(`${entries.length === 1 ? 'there is 1 entry' : `there are ${entries.length} entries`}, and a group has ${MIN_GROUP_SIZE} members at least: to be one of fewer says too much of who it is`)
  }
  return await formatMembershipGroup({
    ...former, ...asked, name, members: entries.map(({ membership }) => membership), ...validity(entries, clock.wall(), days)
  } as Parameters<typeof formatMembershipGroup>[0], { signal })
}

function settingsOf ({ flags }: Pick<CommandContext, 'flags'>): Settings {
  const depth = wholeNumber(flags, 'depth', 1, 32)
  const epochMs = hours(flags, 'epoch', MIN_EPOCH_MS, MAX_EPOCH_MS)
  const window = wholeNumber(flags, 'window', 0, MAX_WINDOW)

  if (depth != null && !DEPTHS.some(known => known === depth)) {
    throw new UsageError(`--depth must be ${DEPTHS.join(' or ')}, got ${depth}`)
  }
  return { ...depth == null ? {} : { depth }, ...epochMs == null ? {} : { epochMs }, ...window == null ? {} : { window } }
}

async function readMembers (path: string, name: string, signal: AbortSignal): Promise<{ members: readonly unknown[], settings?: Settings }> {
  let bytes: Uint8Array
  try {
    bytes = await readBoundedFile(path, MAX_GROUP_BYTES, { signal })
  } catch (err) {
    signal.throwIfAborted()
    throw new MembershipGroupError(`${quote(path)} cannot be read: ${fileProblem(err)}`, { cause: err })
  }
  let value: unknown
  try {
    value = parsePlainJson(bytes)
  } catch (err) {
    throw new MembershipGroupError(`${quote(path)} is neither an entry nor the file of a group: ${(err as Error).message}`, { cause: err })
  }
  const { format, name: named, members, depth, epochMs, window } = (value ?? {}) as Record<string, unknown>

  if (format !== GROUP_FORMAT) {
    if (bytes.byteLength > MAX_ENTRY_BYTES) {
      throw new MembershipGroupError(`${quote(path)} is neither an entry nor the file of a group: it has ${bytes.byteLength} bytes, and an entry at most ${MAX_ENTRY_BYTES}`)
    }
    return { members: [value] }
  }
  if (named !== name || !Array.isArray(members)) {
    throw new MembershipGroupError(`${quote(path)} is the file of the group ${quote(named, 80)}, and not of ${quote(name)}: entries are signed for one group`)
  }
  if (members.length > MAX_GROUP_SIZE) {
    throw new MembershipGroupError(`${quote(path)} has ${members.length} members, and a group has at most ${MAX_GROUP_SIZE}`)
  }
  // what is wrong with them is said where the whole is checked
  return { members, settings: { depth, epochMs, window } as Settings }
}

function checkTwice (entries: readonly Entry[]): void {
  const peers = new Map<string, Entry>()
  const commitments = new Map<bigint, Entry>()

  for (const entry of entries) {
    const { peer, commitment, from } = entry
    const same = peers.get(peer)
    const shared = commitments.get(commitment)

    if (same != null) {
      throw new MembershipGroupError(`${from} is of the peer ${quote(peer)}, which is in ${same.from} already and would count as two${same.from.startsWith('member ') ? `; to put the new entry in its place, add --without ${peer}` : ''}`)
    }
    if (shared != null) {
      throw new MembershipGroupError(`${from} has the commitment of ${shared.from}, who would count as two`)
    }
    peers.set(peer, entry)
    commitments.set(commitment, entry)
  }
}

/** As long as all are members, and not longer than was asked for */
function validity (entries: readonly Entry[], now: number, days?: number): { validFrom: number, validUntil: number } {
  const validFrom = Math.max(...entries.map(({ validFrom }) => validFrom))
  const first = entries.reduce((first, entry) => entry.validUntil < first.validUntil ? entry : first)
  const wanted = days == null ? Infinity : Math.floor(now / DAY) * DAY + days * DAY

  if (first.validUntil <= now) {
    throw new MembershipGroupError(`${first.from} is over since ${new Date(first.validUntil).toISOString()}: its peer has to make a new one (portolan proof join)`)
  }
  if (validFrom >= first.validUntil) {
    throw new MembershipGroupError(`there is no time in which all of them are members: ${first.from} is one until ${new Date(first.validUntil).toISOString()}, and another one begins later`)
  }
  if (days != null && wanted > first.validUntil) {
    throw new MembershipGroupError(`${first.from} is a member until ${new Date(first.validUntil).toISOString()}, which is before ${days} days are over: fewer --days, or a new entry`)
  }
  return { validFrom, validUntil: Math.min(first.validUntil, wanted) }
}

/** Nothing but what is in an entry */
function plain ({ peer, commitment, validFrom, validUntil, signature, publicKey }: Membership): Membership {
  return { peer, commitment, validFrom, validUntil, signature, ...publicKey == null ? {} : { publicKey } }
}
