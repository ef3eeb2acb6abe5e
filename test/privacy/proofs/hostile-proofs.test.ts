import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bn254 } from '@noble/curves/bn254.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCALARS } from '../../../src/privacy/proofs/field.ts'
import { toPoints } from '../../../src/privacy/proofs/groth16.ts'
import { MAX_GROUP_BYTES, MAX_GROUP_SIZE, MembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'
import { MembershipProver } from '../../../src/privacy/proofs/membership-prover.ts'
import { MembershipVerifier } from '../../../src/privacy/proofs/membership-verifier.ts'
import { NullifierBook } from '../../../src/privacy/proofs/nullifier-book.ts'
import { readReportDocument } from '../../../src/privacy/proofs/report-document.ts'
import { DEPTHS } from '../../../src/privacy/proofs/statement.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { COORDINATE_ORDER, outsideSubgroup, toNumbers } from './support/altered-proofs.ts'
import { makeGroup, makeMembers, NONCE, PATIENT, REPORT } from './support/members.ts'
import type { Member } from './support/members.ts'
import type { MembershipClaim } from '../../../src/interface/privacy.ts'
import type { Groth16Proof } from '../../../src/privacy/proofs/groth16.ts'
import type { Depth } from '../../../src/privacy/proofs/statement.ts'

const about = { report: REPORT, nonce: NONCE }
const clock = new VirtualClock()
const TWO_256 = 1n << 256n
let members: Member[]

beforeAll(async () => { members = await makeMembers(5) })

describe.each(DEPTHS)('of a proof of depth %d', depth => {
  let group: MembershipGroup
  let claim: MembershipClaim
  let numbers: bigint[]

  beforeAll(async () => {
    group = await makeGroup(members, { depth: depth as Depth })
    const prover = await MembershipProver.open({ clock }, { depth: depth as Depth, timeout: PATIENT })
    claim = await prover.prove({ ...about, identity: (members[0] as Member).identity, group })
    numbers = claim.proof.points.map(BigInt)
    await prover.close()
  }, PATIENT)

  const outcome = async (changes: object, nullifiers?: NullifierBook): Promise<string> =>
    new MembershipVerifier({ group, clock, ...nullifiers == null ? {} : { nullifiers } }).verify({ ...claim.proof, ...changes }, about).then(() => 'accepted', (err: Error & { reason?: string }) => err.reason ?? `${err.name}: ${err.message}`)
  const changed = (change: (proof: Groth16Proof) => Groth16Proof): { points: string[] } => ({ points: toNumbers(change(toPoints(numbers))).map(String) })

  it('negated points prove nothing, but for the two of which one takes the other away: the same claim, which is taken once', async () => {
    expect(await outcome(changed(({ a, b, c }) => ({ a: a.negate(), b, c })))).toBe('forged')
    expect(await outcome(changed(({ a, b, c }) => ({ a, b: b.negate(), c })))).toBe('forged')
    expect(await outcome(changed(({ a, b, c }) => ({ a, b, c: c.negate() })))).toBe('forged')
    expect(await outcome(changed(({ a, b, c }) => ({ a: a.negate(), b: b.negate(), c: c.negate() })))).toBe('forged')

    const twin = changed(({ a, b, c }) => ({ a: a.negate(), b: b.negate(), c }))
    const nullifiers = await NullifierBook.open({ clock })
    expect([await outcome({}, nullifiers), await outcome(twin, nullifiers), await outcome(twin)]).toEqual(['accepted', 'replayed', 'accepted'])
  })

  it('each coordinate is below the order of its field, in the one way to write it', async () => {
    for (const [i, number] of numbers.entries()) {
      const at = (text: string): { points: string[] } => ({ points: claim.proof.points.map((point, j) => i === j ? text : point) })
      expect(await outcome(at(String(number + COORDINATE_ORDER)))).toBe('point')
      expect(await outcome(at(String(COORDINATE_ORDER - number)))).toMatch(/^(point|forged)$/)
      for (const text of [`0${number}`, `+${number}`, `${number} `, `0x${number.toString(16)}`, `${number}n`, `-${number}`, '', '1e3', `${number}.0`, String(TWO_256), '٣']) {
        expect([text, await outcome(at(text))]).toEqual([text, 'malformed'])
      }
    }
    for (const value of [1, null, undefined, [], {}, true]) {
      expect(await outcome({ points: [value, ...claim.proof.points.slice(1)] })).toBe('malformed')
    }
  })

  it('points are of the curve, of the subgroup, and not zero', async () => {
    expect(await outcome({ points: outsideSubgroup(numbers).map(String) })).toBe('point')
    expect(await outcome({ points: claim.proof.points.map((point, i) => i === 1 ? String(BigInt(point) + 1n) : point) })).toBe('point')
    for (const [from, to] of [[0, 2], [2, 6], [6, 8]] as const) {
      expect(await outcome({ points: claim.proof.points.map((point, i) => i >= from && i < to ? '0' : point) })).toBe('point')
    }
    // of the curve, and nothing else is known of them
    const { G1, G2 } = bn254
    expect(await outcome(changed(({ b, c }) => ({ a: G1.Point.BASE, b, c })))).toBe('forged')
    expect(await outcome(changed(({ a, c }) => ({ a, b: G2.Point.BASE, c })))).toBe('forged')
  })

  it('each public number is below the order of the field: the same one by another name is refused', async () => {
    const { merkleTreeRoot, nullifier, message, scope } = claim.proof
    expect(await outcome({ nullifier: String(BigInt(nullifier) + SCALARS) })).toBe('malformed')
    expect(await outcome({ nullifier: String(SCALARS) })).toBe('malformed')
    expect(await outcome({ merkleTreeRoot: String(BigInt(merkleTreeRoot) + SCALARS) })).toBe('malformed')
    // these are hashed into the field, so that there is no other one for the same: what differs is another
    expect(await outcome({ message: String((BigInt(message) + SCALARS) % TWO_256) })).toBe('message')
    expect(await outcome({ scope: String((BigInt(scope) + SCALARS) % TWO_256) })).toBe('scope')
    expect(await outcome({ message: String(TWO_256) })).toBe('malformed')
    expect(await outcome({ scope: `${TWO_256}` })).toBe('malformed')
  })

  it('the depth is its own: another one, or none that there is, is refused', async () => {
    const other = DEPTHS.find(each => each !== depth) as Depth
    for (const wrong of [other, 0, 1, 11, 32, -depth, depth + 0.5, String(depth), null, { valueOf: () => depth }, [depth]]) {
      expect(await outcome({ merkleTreeDepth: wrong })).toBe('depth')
    }
  })

  it('what it says of prototypes is refused, or nothing', async () => {
    const text = JSON.stringify(claim.proof)
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const hostile = text.replace('{', `{"${key}":{"polluted":true,"nullifier":"1"},`)
      await expect(new MembershipVerifier({ group, clock }).verify(hostile, about)).rejects.toMatchObject({ reason: 'malformed' })
    }
    // what is inherited is nobody's word
    await expect(new MembershipVerifier({ group, clock }).verify(Object.create(claim.proof), about)).rejects.toMatchObject({ reason: expect.stringMatching(/malformed/) })
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

describe('a document', () => {
  const document = (text: string): string => `{"version":1,"risks":[],${text}"proof":{"nonce":"${NONCE}","proof":{}}}`

  it('that some read otherwise is refused: a name twice, however it is written, and numbers without end', () => {
    expect(readReportDocument(document(''))).toMatchObject({ nonce: NONCE, proof: {} })
    expect(readReportDocument(document('"a":{"x":1},"b":{"x":1},"c":["x","x",{"x":"y\\"x"}],'))).toMatchObject({ nonce: NONCE })
    for (const [text, message] of [
      ['"version":2,', /two values of one name/],
      ['"ver\\u0073ion":2,', /two values of one name/],
      ['"a":[{"b":{"c":1,"d":[{}],"c" : 2}}],', /two values of one name/],
      ['"__proto__":{},"__proto__":{},', /two values of one name/],
      ['"":1,"":2,', /two values of one name/],
      ['"a":1e999,', /a number that is too large/],
      ['"a":[[[-1e999]]],', /a number that is too large/],
      [`"a":${'['.repeat(100_000)}${']'.repeat(100_000)},`, /nested too deeply/],
      ['"a":01,', /not JSON/],
      ['\u0000', /not JSON/]
    ] as const) {
      expect(() => readReportDocument(document(text))).toThrow(message)
    }
  })

  it('says nothing of what is in it when it is not what it should be', () => {
    const secret = '-----BEGIN PRIVATE KEY----- MIIEvQIBADANBg'
    for (const text of [secret, `{"a":${secret}`, `{"${secret}":1,"${secret}":2}`, `["${secret}"]`, `"${secret}"`]) {
      const err = (() => {
        try {
          return readReportDocument(text)
        } catch (err) {
          return err as Error
        }
      })() as Error
      expect(err).toMatchObject({ name: 'ProofRefusedError', reason: 'malformed' })
      expect(err.message).not.toMatch(/BEGIN|PRIV|MII/)
    }
  })
})

describe('a group', () => {
  const text = (fields: object): string => JSON.stringify({ format: 'portolan-membership-group', version: 1, name: 'fleet', depth: 16, epochMs: 86_400_000, window: 0, validFrom: '2026-01-01T00:00:00.000Z', validUntil: '2027-01-01T00:00:00.000Z', members: [], ...fields })

  it('that is far too large is refused before any of it is computed', async () => {
    await expect(MembershipGroup.parse(' '.repeat(MAX_GROUP_BYTES + 1))).rejects.toThrow(/at most 4194304 bytes/)
    await expect(MembershipGroup.parse(text({ members: Array.from({ length: MAX_GROUP_SIZE + 1 }, () => 1) }))).rejects.toThrow(/4097 members, and one of depth 16 at most 4096/)
    await expect(MembershipGroup.parse(text({ depth: 10, members: Array.from({ length: 1025 }, () => 1) }))).rejects.toThrow(/at most 1024/)
    await expect(MembershipGroup.parse(text({ name: 'x'.repeat(4_000_000) }))).rejects.toThrow(/the name of a group is 1 to 64/)
    await expect(MembershipGroup.parse(`{"members":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)).rejects.toThrow(/nested too deeply/)
  }, PATIENT)

  it('whose file says something of prototypes is refused', async () => {
    for (const hostile of [text({}).replace('{', '{"__proto__":{"members":[]},'), text({}).replace('{', '{"constructor":1,'), text({}).replace('{', '{"version":1,')]) {
      await expect(MembershipGroup.parse(hostile)).rejects.toMatchObject({ name: 'MembershipGroupError' })
    }
    expect(({} as { members?: unknown }).members).toBeUndefined()
  })
})

describe('secrets', () => {
  const room = join(import.meta.dirname, '..', '..', '..', 'src', 'privacy', 'proofs')

  it('are compared with nothing: they are hashed, multiplied, and handed to the process that proves', () => {
    const uses = readdirSync(room).filter(name => name.endsWith('.ts')).flatMap(name => readFileSync(join(room, name), 'utf8').split('\n')
      .filter(line => /\bsecret\b/.test(line) && !/^\s*(\/\/|\/?\*)/.test(line))
      .map(line => `${name}: ${line.trim()}`))

    expect(uses.toSorted()).toEqual([
      expect.stringMatching(/^claim\.ts: 'who made the report: members may lend their secret/),
      expect.stringMatching(/^claim\.ts: `whoever made the proof knows the secret behind/),
      'member-identity.ts: const secret = (pruned >> 3n) % Point.Fn.ORDER',
      'member-identity.ts: const { x, y } = Point.BASE.multiply(secret).toAffine()',
      'member-identity.ts: readonly secret: bigint',
      'member-identity.ts: return { secret, commitment: poseidon2(x, y) }',
      'membership-prover.ts: secret: String(identity.secret),',
      'prover-messages.ts: readonly secret: string',
      'statement.ts: return poseidon2(toScalar(scope), identity.secret)'
    ])
  })
})

afterAll(() => { expect(clock.pending).toBe(0) })
