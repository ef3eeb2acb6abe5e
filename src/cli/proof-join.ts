import { loadIdentity } from '../config/identity.ts'
import { loadMemberIdentity } from '../config/membership-seed.ts'
import { privateDirectory } from '../config/private-file.ts'
import { createMembership } from '../privacy/proofs/membership.ts'
import type { CommandContext } from './command.ts'

/** A year: groups are valid for less, and whoever is in many does not sign every month */
const MEMBERSHIP_DAYS = 365

export const DAY = 86_400_000

/** The entry of the node of this store for the file of a group: signed by the node's key, and nothing in it is secret */
export async function membershipEntry ({ config, clock }: Pick<CommandContext, 'config' | 'clock'>, group: string, days: number = MEMBERSHIP_DAYS): Promise<string> {
  await privateDirectory(config.store)
  // since midnight, so that entries do not tell when they were made
  const validFrom = Math.floor(clock.wall() / DAY) * DAY
  const entry = await createMembership({
    group,
    identity: await loadMemberIdentity(config.store),
    privateKey: await loadIdentity(config.store),
    validFrom,
    validUntil: validFrom + days * DAY
  })
  return `${JSON.stringify(entry, null, 2)}\n`
}
