import { MemoryDatastore } from 'datastore-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCALARS } from '../../../src/privacy/proofs/field.ts'
import { MembershipProver } from '../../../src/privacy/proofs/membership-prover.ts'
import { MembershipVerifier } from '../../../src/privacy/proofs/membership-verifier.ts'
import { NullifierBook } from '../../../src/privacy/proofs/nullifier-book.ts'
import { messageOf, scopeOf } from '../../../src/privacy/proofs/statement.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { COORDINATE_ORDER, outsideSubgroup, rerandomised, shifted } from './support/altered-proofs.ts'
import { DAY, makeGroup, makeMembers, NONCE, PATIENT, REPORT, START } from './support/members.ts'
import type { Member } from './support/members.ts'
import type { MembershipClaim, MembershipProof } from '../../../src/interface/privacy.ts'
import type { MembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'
import type { MembershipVerifierComponents } from '../../../src/privacy/proofs/membership-verifier.ts'

class SettableClock extends VirtualClock {
  at = START

  override wall (): number {
    return this.at
  }
}

const about = { report: REPORT, nonce: NONCE }

let members: Member[]
/** Of six; its window is one member wide */
let group: MembershipGroup
let prover: MembershipProver
let claim: MembershipClaim

function member (n: number): Member {
  return members[n] as Member
}

beforeAll(async () => {
  members = await makeMembers(7)
  group = await makeGroup(members.slice(0, 6), { window: 1 })
  prover = await MembershipProver.open({ clock: new SettableClock() }, { depth: 10, timeout: PATIENT })
  claim = await prover.prove({ ...about, identity: member(2).identity, group })
}, PATIENT)

afterAll(async () => {
  await prover.close()
})

function verifierAt (at = START, components: Partial<MembershipVerifierComponents> = {}): MembershipVerifier {
  const clock = new SettableClock()
  clock.at = at
  return new MembershipVerifier({ group, clock, ...components })
}

async function reasonOf (proof: unknown, expected = about, verifier = verifierAt()): Promise<string> {
  const err = await verifier.verify(proof, expected).then(() => undefined, (err: Error & { reason: string }) => err)
  expect(err).toMatchObject({ name: 'ProofRefusedError' })
  return err?.reason ?? ''
}

const withNumbers = (numbers: readonly bigint[]): MembershipProof => ({ ...claim.proof, points: numbers.map(String) })
const numbers = (): bigint[] => claim.proof.points.map(BigInt)

describe('a proof of a member', () => {
  it('is accepted, and says what it proves and what not', async () => {
    const accepted = await verifierAt().verify(JSON.stringify(claim.proof), about)

    expect(accepted).toEqual(claim)
    expect(accepted).toMatchObject({ result: 'verified', statement: 'semaphore-v4', group: 'fleet', members: 6, epoch: START / DAY, root: group.root.toString(), report: REPORT, nonce: NONCE })
    expect(accepted.proven.join()).toMatch(/one of the 6 commitments of the group fleet/)
    expect(accepted.notProven.join()).toMatch(/that what the report says is true.*connection on which the proof arrives.*one party may run many peers.*singled out by time/s)
  })

  it('says nothing of which one: what two of them prove differs in nullifier and points alone', async () => {
    const other = await prover.prove({ ...about, identity: member(4).identity, group })
    const { nullifier, proof, ...rest } = other

    expect(claim).toMatchObject(rest)
    expect(nullifier).not.toBe(claim.nullifier)
    expect({ ...proof, nullifier: claim.nullifier, points: claim.proof.points }).toEqual(claim.proof)

    const verifier = verifierAt()
    await verifier.verify(claim.proof, about)
    expect((await verifier.verify(proof, about)).nullifier).toBe(nullifier)
    for (const { identity, membership } of members) {
      const text = JSON.stringify(claim)
      expect([String(identity.commitment), String(identity.secret), membership.peer].filter(word => text.includes(word))).toEqual([])
    }
  }, PATIENT)

  it('is accepted for as long as clocks differ around its epoch, and not longer', async () => {
    const minute = 60_000
    expect((await verifierAt(START + DAY + 4 * minute).verify(claim.proof, about)).epoch).toBe(START / DAY)
    expect(await reasonOf(claim.proof, about, verifierAt(START + DAY + 5 * minute))).toBe('epoch')
    // the group begins with the epoch: one that is valid before it shows the other side
    const earlier = await makeGroup(members.slice(0, 6), { validFrom: START - DAY, window: 1 })
    expect((await verifierAt(START - 5 * minute, { group: earlier }).verify(claim.proof, about)).epoch).toBe(START / DAY)
    expect(await reasonOf(claim.proof, about, verifierAt(START - 6 * minute, { group: earlier }))).toBe('epoch')
  })
})

describe('refused is', () => {
  it('a replay, also by another verifier with the same record, and after a restart', async () => {
    const datastore = new MemoryDatastore()
    const clock = new SettableClock()
    const nullifiers = await NullifierBook.open({ datastore, clock })
    const verifier = verifierAt(START, { nullifiers })

    await verifier.verify(claim.proof, about)
    expect(await reasonOf(claim.proof, about, verifier)).toBe('replayed')
    expect(await reasonOf(claim.proof, about, verifierAt(START, { nullifiers }))).toBe('replayed')
    expect(await reasonOf(claim.proof, about, verifierAt(START, { nullifiers: await NullifierBook.open({ datastore, clock }) }))).toBe('replayed')
  })

  it('a replay at the same moment: one of them is accepted', async () => {
    const verifier = verifierAt()
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, async () => verifier.verify(claim.proof, about)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('a second claim of the same member in one epoch, for another report and nonce', async () => {
    const verifier = verifierAt()
    const other = { report: 'cd'.repeat(32), nonce: 'another-nonce-of-the-reader' }
    const second = await prover.prove({ ...other, identity: member(2).identity, group })

    await verifier.verify(claim.proof, about)
    expect(second.nullifier).toBe(claim.nullifier)
    expect(await reasonOf(second.proof, other, verifier)).toBe('replayed')
    expect((await verifierAt().verify(second.proof, other)).report).toBe(other.report)
  }, PATIENT)

  it('a re-randomised proof: it is true, and a replay', async () => {
    for (const points of [rerandomised(numbers(), 123_456_789n), shifted(numbers(), 987_654_321n, 10)]) {
      expect(points).not.toEqual(numbers())
      const proof = withNumbers(points)
      // nobody can tell it from the first: alone it is accepted
      await verifierAt().verify(proof, about)

      const verifier = verifierAt()
      await verifier.verify(claim.proof, about)
      expect(await reasonOf(proof, about, verifier)).toBe('replayed')
    }
  })

  it('a forged one: another nullifier, the points of another proof, or made up', async () => {
    expect(await reasonOf({ ...claim.proof, nullifier: '1' })).toBe('forged')
    expect(await reasonOf({ ...claim.proof, nullifier: String(SCALARS - BigInt(claim.proof.nullifier)) })).toBe('forged')
    expect(await reasonOf(withNumbers([...numbers().slice(6), ...numbers().slice(2, 6), ...numbers().slice(0, 2)]))).toBe('forged')
    expect(await reasonOf(withNumbers(numbers().map(() => 1n)))).toBe('point')
    expect(await reasonOf(withNumbers(numbers().map(() => 0n)))).toBe('point')
    expect(await reasonOf(withNumbers(outsideSubgroup(numbers())))).toBe('point')
    expect(await reasonOf(withNumbers(numbers().map(number => number + COORDINATE_ORDER)))).toBe('point')
  })

  it('a nullifier that is the same one again by adding the order of the field', async () => {
    expect(await reasonOf({ ...claim.proof, nullifier: String(BigInt(claim.proof.nullifier) + SCALARS) })).toBe('malformed')
  })

  it('a refused proof takes nothing from its member: the true one is accepted afterwards', async () => {
    const verifier = verifierAt()
    expect(await reasonOf(withNumbers(rerandomised(numbers(), 5n).toReversed()), about, verifier)).toMatch(/^(point|forged)$/)
    expect((await verifier.verify(claim.proof, about)).result).toBe('verified')
  })

  it('another report, or another nonce', async () => {
    expect(await reasonOf(claim.proof, { ...about, report: 'ac'.repeat(32) })).toBe('message')
    expect(await reasonOf(claim.proof, { ...about, nonce: `${NONCE}s` })).toBe('message')

    const other = { ...about, nonce: `${NONCE}s` }
    expect(await reasonOf({ ...claim.proof, message: String(messageOf(other.report, other.nonce)) }, other)).toBe('forged')
  })

  it('another scope', async () => {
    expect(await reasonOf({ ...claim.proof, scope: '1' })).toBe('scope')
    expect(await reasonOf({ ...claim.proof, scope: String(scopeOf('fleet', START / DAY + 1)) })).toBe('scope')

    // with everything else as it would be the day after: the circuit has the scope
    const later = START + DAY
    const proof = { ...claim.proof, epoch: later / DAY, scope: String(scopeOf('fleet', later / DAY)) }
    expect(await reasonOf(proof, about, verifierAt(later + DAY / 2))).toBe('forged')
    expect(await reasonOf(claim.proof, about, verifierAt(later + DAY / 2))).toBe('epoch')
  })

  it('one that is for another group', async () => {
    expect(await reasonOf({ ...claim.proof, group: 'fleet2' })).toBe('group')
    const others = await makeMembers(5, 'other')
    expect(await reasonOf(claim.proof, about, verifierAt(START, { group: await makeGroup(others, { name: 'other' }) }))).toBe('group')
  })

  it('one of who is no member, with the root of a group of his own', async () => {
    const own = await makeGroup([...members.slice(2, 6), member(6)])
    const { proof } = await prover.prove({ ...about, identity: member(6).identity, group: own })

    expect(await reasonOf(proof)).toBe('root')
    expect(await reasonOf({ ...proof, merkleTreeRoot: String(group.root) })).toBe('forged')
  }, PATIENT)

  it('an old root, but for those of the window', async () => {
    const older = await makeGroup(members.slice(0, 5))
    const { proof } = await prover.prove({ ...about, identity: member(1).identity, group: older })

    // one has joined since, and the window is one wide: among five it hides
    expect((await verifierAt().verify(proof, about)).members).toBe(5)
    expect(await reasonOf(proof, about, verifierAt(START, { group: await makeGroup(members.slice(0, 6)) }))).toBe('root')
    expect(await reasonOf(proof, about, verifierAt(START, { group: await makeGroup(members, { window: 1 }) }))).toBe('root')
    // who left is not in it any more, whatever the window
    expect(await reasonOf(proof, about, verifierAt(START, { group: await makeGroup(members.slice(1), { window: 64 }) }))).toBe('root')
  }, PATIENT)

  it('another depth than the group\'s, and any that there is no key for', async () => {
    expect(await reasonOf({ ...claim.proof, merkleTreeDepth: 16 })).toBe('depth')
    expect(await reasonOf({ ...claim.proof, merkleTreeDepth: 11 })).toBe('depth')
    expect(await reasonOf(claim.proof, about, verifierAt(START, { group: await makeGroup(members.slice(0, 6), { depth: 16 }) }))).toBe('depth')
    // the tree is the same: with the key of the other circuit it proves nothing
    expect(await reasonOf({ ...claim.proof, merkleTreeDepth: 16 }, about, verifierAt(START, { group: await makeGroup(members.slice(0, 6), { depth: 16 }) }))).toBe('forged')
  })

  it('any, when the group is not valid', async () => {
    expect(await reasonOf(claim.proof, about, verifierAt(START - 1))).toBe('expired')
    expect(await reasonOf(claim.proof, about, verifierAt(START + 30 * DAY))).toBe('expired')
  })

  it('one of 10 MB', async () => {
    expect(await reasonOf('1'.repeat(10_000_000))).toBe('too-large')
    expect(await reasonOf(new Uint8Array(10_000_000))).toBe('too-large')
    expect(await reasonOf({ ...claim.proof, nullifier: '1'.repeat(10_000_000) })).toBe('malformed')
  })

  it('any of a time whose claims were forgotten, when the clock is set back', async () => {
    const clock = new SettableClock()
    const nullifiers = await NullifierBook.open({ clock })
    const verifier = new MembershipVerifier({ group, clock, nullifiers })

    await verifier.verify(claim.proof, about)
    clock.at = START + 3 * DAY
    await nullifiers.claim({ scope: 1n, nullifier: 1n, until: START + 4 * DAY })
    clock.at = START
    expect(await reasonOf(claim.proof, about, verifier)).toBe('epoch')
  })
})

describe('a verifier', () => {
  it('accepts nothing that it cannot remember', async () => {
    const nullifiers = await NullifierBook.open({ clock: new SettableClock() }, { maxEntries: 1 })
    const verifier = verifierAt(START, { nullifiers })
    await nullifiers.claim({ scope: 1n, nullifier: 1n, until: START + DAY })

    await expect(verifier.verify(claim.proof, about)).rejects.toMatchObject({ name: 'NullifierStoreError' })
    expect(nullifiers.has(BigInt(claim.scope), BigInt(claim.nullifier))).toBe(false)
  })

  it('is told by its signal that nobody waits, and then takes no claim', async () => {
    const nullifiers = await NullifierBook.open({ clock: new SettableClock() })
    const verifier = verifierAt(START, { nullifiers })
    const leaving = new AbortController()
    const verifying = verifier.verify(claim.proof, about, { signal: leaving.signal })
    leaving.abort(new Error('enough'))

    await expect(verifying).rejects.toThrow('enough')
    expect(nullifiers.stats().entries).toBe(0)
  })

  it('needs a hash, a nonce that is long enough, and a grace below half an epoch', async () => {
    for (const wrong of [{ ...about, report: 'AB'.repeat(32) }, { ...about, report: '' }, { ...about, nonce: 'short' }, { ...about, nonce: 'n'.repeat(129) }, { ...about, nonce: `${NONCE}\n` }]) {
      await expect(verifierAt().verify(claim.proof, wrong)).rejects.toMatchObject({ name: 'InvalidOptionError' })
    }
    for (const graceMs of [-1, DAY, Number.NaN]) {
      expect(() => new MembershipVerifier({ group }, { graceMs })).toThrow(/graceMs/)
    }
  })
})
