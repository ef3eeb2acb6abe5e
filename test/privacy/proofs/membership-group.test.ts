import { generateKeyPair } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { base36 } from 'multiformats/bases/base36'
import { toString } from 'uint8arrays/to-string'
import { beforeAll, describe, expect, it } from 'vitest'
import { SCALARS } from '../../../src/privacy/proofs/field.ts'
import { formatMembershipGroup, MAX_GROUP_BYTES, MembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'
import { createMembership } from '../../../src/privacy/proofs/membership.ts'
import { DAY, identityOf, makeGroup, makeMember, makeMembers, START } from './support/members.ts'
import type { Member } from './support/members.ts'
import type { MembershipGroupInit } from '../../../src/privacy/proofs/membership-group.ts'
import type { Membership } from '../../../src/privacy/proofs/membership.ts'

let members: Member[]
let memberships: Membership[]

beforeAll(async () => {
  members = await makeMembers(8)
  memberships = members.map(({ membership }) => membership)
})

function init (change: Partial<MembershipGroupInit> = {}): MembershipGroupInit {
  return { name: 'fleet', validFrom: START, validUntil: START + 30 * DAY, members: memberships, ...change }
}

async function refusal (change: Partial<MembershipGroupInit>): Promise<string> {
  const err = await formatMembershipGroup(init(change)).then(() => undefined, (err: Error) => err)
  expect(err).toMatchObject({ name: 'MembershipGroupError' })
  return err?.message ?? ''
}

/** A file with something else in it than what is written */
async function fileWith (change: Record<string, unknown>): Promise<string> {
  return JSON.stringify({ ...JSON.parse(await formatMembershipGroup(init())) as object, ...change })
}

describe('a group', () => {
  it('is read as it was written', async () => {
    const group = await makeGroup(members, { window: 2, epochMs: 3_600_000 })

    expect(group).toMatchObject({ name: 'fleet', depth: 10, size: 8, window: 2, epochMs: 3_600_000, validFrom: START, validUntil: START + 30 * DAY })
    expect(group.sizeOf(group.root)).toBe(8)
    for (const { identity } of members) {
      expect(group.path(identity.commitment)?.siblings).toHaveLength(3)
    }
    expect(group.path((await identityOf(99)).commitment)).toBeUndefined()
  })

  it('takes the roots of before the last ones joined, as many as its window says, and none below five', async () => {
    const roots = await Promise.all([5, 6, 7, 8].map(async n => (await makeGroup(members.slice(0, n))).root))
    const accepted = async (window: number, count = 8): Promise<Array<number | undefined>> => {
      const group = await makeGroup(members.slice(0, count), { window })
      return roots.map(root => group.sizeOf(root))
    }

    expect(await accepted(0)).toEqual([undefined, undefined, undefined, 8])
    expect(await accepted(2)).toEqual([undefined, 6, 7, 8])
    expect(await accepted(64)).toEqual([5, 6, 7, 8])
    expect(await accepted(64, 5)).toEqual([5, undefined, undefined, undefined])
  })

  it('another order or one member less is another group', async () => {
    const group = await makeGroup(members, { window: 64 })
    expect(group.sizeOf((await makeGroup(members.toReversed())).root)).toBeUndefined()
    expect(group.sizeOf((await makeGroup(members.slice(1))).root)).toBeUndefined()
  })

  it('counts epochs from 1970, and knows when it is valid', async () => {
    const group = await makeGroup(members, { epochMs: DAY })
    expect(group.epochAt(START)).toBe(START / DAY)
    expect(group.epochAt(START + DAY - 1)).toBe(START / DAY)
    expect(group.epochAt(START + DAY)).toBe(START / DAY + 1)
    expect([START - 1, START, START + 30 * DAY - 1, START + 30 * DAY].map(at => group.isValid(at))).toEqual([false, true, true, false])
  })

  it('has peers with keys of any kind', async () => {
    const others = await Promise.all((['RSA', 'secp256k1'] as const).map(async (type, i) => {
      const privateKey = await (type === 'RSA' ? generateKeyPair(type, 2048) : generateKeyPair(type))
      return createMembership({ group: 'fleet', identity: await identityOf(50 + i), privateKey, validFrom: START, validUntil: START + 30 * DAY })
    }))

    expect(others[0]?.publicKey).toBeDefined()
    expect((await MembershipGroup.parse(await formatMembershipGroup(init({ members: [...memberships, ...others] })))).size).toBe(10)

    const { publicKey: _, ...without } = others[0] ?? {} as Membership
    expect(await refusal({ members: [...memberships, without] })).toMatch(/member 9 .*does not contain its public key/)
    const another = { ...others[0] as Membership, publicKey: 'CAESIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }
    expect(await refusal({ members: [...memberships, another] })).toMatch(/member 9 /)
  })
})

describe('refused is', () => {
  it('a group below five', async () => {
    for (const n of [0, 1, 2, 3, 4]) {
      expect(await refusal({ members: memberships.slice(0, n) })).toMatch(`has ${n} members: below 5`)
    }
  })

  it('a member who is there twice, as a peer or as a commitment', async () => {
    expect(await refusal({ members: [...memberships, memberships[2] as Membership] })).toMatch(/member 9 of the group "fleet" is there twice/)

    const [first] = members
    const again = await createMembership({ group: 'fleet', identity: await identityOf(70), privateKey: first?.privateKey as Member['privateKey'], validFrom: START, validUntil: START + 30 * DAY })
    expect(await refusal({ members: [...memberships, again] })).toMatch(/member 9 .*is there twice/)

    const copied = await createMembership({ group: 'fleet', identity: first?.identity as Member['identity'], privateKey: await generateKeyPair('Ed25519'), validFrom: START, validUntil: START + 30 * DAY })
    expect(await refusal({ members: [...memberships, copied] })).toMatch(/member 9 .*has the commitment of another/)
  })

  it('a peer that is there once more in other letters', async () => {
    const [first] = members
    const { privateKey, membership } = first as Member
    const peer = privateKey.publicKey.toCID().toString(base36)
    const { commitment } = await identityOf(70)
    const { validFrom, validUntil } = membership
    const words = ['portolan-membership', 1, 'fleet', peer, commitment.toString(), validFrom, validUntil]
    const signature = toString(await privateKey.sign(new TextEncoder().encode(JSON.stringify(words))), 'base64pad')

    expect(await refusal({ members: [...memberships, { peer, commitment: commitment.toString(), validFrom, validUntil, signature }] }))
      .toBe(`member 9 of the group "fleet" cannot be checked for the signature of "${peer}": the peer id is written as "${membership.peer}"`)
  })

  it('a commitment that its peer did not sign for this group, for that long', async () => {
    const [mine, other] = memberships as [Membership, Membership]
    const rest = memberships.slice(1)
    const changes: Membership[] = [
      { ...mine, commitment: '7' },
      { ...mine, signature: other.signature },
      { ...mine, peer: 'QmPeer' },
      { ...mine, peer: '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' },
      { ...mine, validUntil: new Date(START + 400 * DAY).toISOString() },
      { ...mine, signature: '' },
      { ...mine, signature: '!'.repeat(100) },
      (await makeMember(0, 'another')).membership
    ]

    for (const changed of changes) {
      expect(await refusal({ members: [...rest, changed] })).toMatch(/^member 8 of the group "fleet" (is not signed by|cannot be checked for the signature of)/)
    }
  })

  it.each(['0', SCALARS.toString(), '-1', '01', '1e3', '', 'x', '9'.repeat(1_000_000), 7, null, undefined])('a commitment that is no number of the field: %s', async commitment => {
    expect(await refusal({ members: [...memberships, { ...memberships[0], commitment } as Membership] })).toMatch(/member 9 .*has a commitment that is not a number of the field/)
  })

  it('a member who is not one for as long as the group', async () => {
    expect(await refusal({ members: [...memberships, (await makeMember(20, 'fleet', { validFrom: START + 1 })).membership] })).toMatch(/member 9 .*is a member from .* until/)
    expect(await refusal({ members: [...memberships, (await makeMember(20, 'fleet', { validUntil: START + 30 * DAY - 1 })).membership] })).toMatch(/member 9 .*is a member from .* until/)
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a depth that there are no keys for', { depth: 11 }, /depth of a group is 10 or 16, got 11/],
    ['a depth as text', { depth: '10' }, /depth of a group is 10 or 16/],
    ['another format', { format: 'x' }, /"format": "portolan-membership-group"/],
    ['another version', { version: 2 }, /"version": 1/],
    ['a name that is free text', { name: '<b>\u001b[2J' }, /name of a group is 1 to 64 letters/],
    ['a name of 65 letters', { name: 'a'.repeat(65) }, /name of a group/],
    ['a window that is too large', { window: 65 }, /window of a group is 0 to 64/],
    ['a window below 0', { window: -1 }, /window of a group is 0 to 64/],
    ['an epoch of a second', { epochMs: 1000 }, /epochMs of a group is 60000 to/],
    ['an epoch without end', { epochMs: null }, /epochMs of a group/],
    ['an end before the beginning', { validUntil: '2020-01-01T00:00:00.000Z' }, /needs a validFrom and a later validUntil/],
    ['a day that there is not', { validFrom: '2026-02-30T00:00:00.000Z' }, /needs a validFrom and a later validUntil/],
    ['a time written otherwise', { validFrom: '2026-01-01' }, /needs a validFrom and a later validUntil/],
    ['members that are no list', { members: {} }, /members of a group are a list/],
    ['a member that is none', { members: [1, 2, 3, 4, 5] }, /member 1 of the group "fleet" is not an object/],
    ['a member without a peer', { members: [{}, {}, {}, {}, {}] }, /member 1 of the group "fleet" has no peer id/],
    ['a field that nobody reads', { roots: [] }, /has no "roots"/]
  ])('%s', async (_, change, message) => {
    const file = await fileWith(change)
    await expect(MembershipGroup.parse(file)).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(message) })
  })

  it('more members than the circuit has room for', async () => {
    const many = Array.from({ length: 1025 }, () => memberships[0])
    await expect(MembershipGroup.parse(await fileWith({ members: many }))).rejects.toMatchObject({ message: expect.stringMatching(/has 1025 members, and one of depth 10 at most 1024/) })
    await expect(MembershipGroup.parse(await fileWith({ depth: 16, members: Array.from({ length: 4097 }, () => 1) }))).rejects.toMatchObject({ message: expect.stringMatching(/at most 4096/) })
  })

  it('a file that is too large, or no JSON, whatever it is', async () => {
    await expect(MembershipGroup.parse(' '.repeat(MAX_GROUP_BYTES + 1))).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(/at most 4194304 bytes/) })
    await expect(MembershipGroup.parse(new Uint8Array(MAX_GROUP_BYTES + 1))).rejects.toMatchObject({ message: expect.stringMatching(/at most 4194304 bytes/) })
    await expect(MembershipGroup.parse(Uint8Array.of(0x7b, 0xff, 0x7d))).rejects.toMatchObject({ message: expect.stringMatching(/this is no file of a group: it is not JSON/) })

    await fc.assert(fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async text => {
      await expect(MembershipGroup.parse(text)).rejects.toMatchObject({ name: 'MembershipGroupError' })
    }))
  })
})

it('reading stops when nobody waits for it any more', async () => {
  await expect(MembershipGroup.parse(await formatMembershipGroup(init()), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
})

it('a membership needs a group with a name and a time that ends after it begins', async () => {
  const { identity, privateKey } = members[0] as Member
  await expect(createMembership({ group: 'a b', identity, privateKey, validFrom: 1, validUntil: 2 })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  await expect(createMembership({ group: 'a', identity, privateKey, validFrom: 2, validUntil: 2 })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  await expect(createMembership({ group: 'a', identity, privateKey, validFrom: 2, validUntil: Number.NaN })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  await expect(createMembership({ group: 'a', identity, privateKey, validFrom: 2, validUntil: Infinity })).rejects.toMatchObject({ name: 'InvalidOptionError' })
})
