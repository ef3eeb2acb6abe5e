import { generateKeyPair } from '@libp2p/crypto/keys'
import { memberIdentity } from '../../../../src/privacy/proofs/member-identity.ts'
import { formatMembershipGroup, MembershipGroup } from '../../../../src/privacy/proofs/membership-group.ts'
import { createMembership } from '../../../../src/privacy/proofs/membership.ts'
import { VirtualClock } from '../../../../src/testing/virtual-clock.ts'
import type { MemberIdentity } from '../../../../src/privacy/proofs/member-identity.ts'
import type { MembershipGroupInit } from '../../../../src/privacy/proofs/membership-group.ts'
import type { Membership } from '../../../../src/privacy/proofs/membership.ts'
import type { PrivateKey } from '@libp2p/interface'

/** When virtual clocks begin */
export const START = new VirtualClock().wall()
export const DAY = 86_400_000
export const REPORT = 'ab'.repeat(32)
export const NONCE = 'a-nonce-of-the-reader'

/** A busy machine takes its time; what is tested is not how long */
export const PATIENT = 120_000

export interface Member {
  readonly identity: MemberIdentity
  readonly privateKey: PrivateKey
  readonly membership: Membership
}

/** The `n`th identity, the same in every run */
export async function identityOf (n: number): Promise<MemberIdentity> {
  return memberIdentity(new Uint8Array(32).fill(n + 1))
}

export async function makeMember (n: number, group: string, validity: { validFrom?: number, validUntil?: number } = {}): Promise<Member> {
  const privateKey = await generateKeyPair('Ed25519')
  const identity = await identityOf(n)
  const { validFrom = START - DAY, validUntil = START + 365 * DAY } = validity
  return { identity, privateKey, membership: await createMembership({ group, identity, privateKey, validFrom, validUntil }) }
}

export async function makeMembers (count: number, group = 'fleet'): Promise<Member[]> {
  return Promise.all(Array.from({ length: count }, async (_, n) => makeMember(n, group)))
}

export async function makeGroup (members: readonly Member[], init: Partial<MembershipGroupInit> = {}): Promise<MembershipGroup> {
  return MembershipGroup.parse(await formatMembershipGroup({
    name: 'fleet', validFrom: START, validUntil: START + 30 * DAY, members: members.map(({ membership }) => membership), ...init
  }))
}
