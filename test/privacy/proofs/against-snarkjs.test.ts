import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { groth16 } from 'snarkjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCALARS } from '../../../src/privacy/proofs/field.ts'
import { checkPairing } from '../../../src/privacy/proofs/membership-verifier.ts'
import { parseProof } from '../../../src/privacy/proofs/proof-format.ts'
import { DEPTHS } from '../../../src/privacy/proofs/statement.ts'
import { COORDINATE_ORDER, outsideSubgroup, randomProof, rerandomised, shifted } from './support/altered-proofs.ts'
import { toScalars } from './support/signals.ts'
import type { Depth } from '../../../src/privacy/proofs/statement.ts'
import type { MembershipProof } from '../../../src/interface/privacy.ts'
import type { VerificationKeyFile } from 'snarkjs'

const packages = createRequire(import.meta.url)
const keys = new Map<Depth, VerificationKeyFile>()
const proofs = new Map<Depth, MembershipProof>()

beforeAll(async () => {
  const vectors = JSON.parse(await readFile(new URL('fixtures/semaphore-4.14.2.json', import.meta.url), 'utf8')) as { proofs: MembershipProof[] }

  for (const [i, depth] of DEPTHS.entries()) {
    keys.set(depth, JSON.parse(await readFile(packages.resolve(`@zk-kit/semaphore-artifacts/semaphore-${depth}.json`), 'utf8')) as VerificationKeyFile)
    proofs.set(depth, { ...vectors.proofs[i] as MembershipProof, version: 1, statement: 'semaphore-v4', group: 'fleet', epoch: 1 })
  }
})

afterAll(async () => {
  // it keeps threads, which would keep this process
  await (globalThis as { curve_bn128?: { terminate (): Promise<void> } }).curve_bn128?.terminate()
})

async function ours (proof: MembershipProof): Promise<boolean> {
  try {
    await checkPairing(parseProof(proof))
    return true
  } catch (err) {
    expect(err).toMatchObject({ name: 'ProofRefusedError', reason: expect.stringMatching(/^(malformed|point|forged)$/) })
    return false
  }
}

/** Throws for points that are none, which is a no as well */
async function theirs (proof: MembershipProof): Promise<boolean> {
  const [ax, ay, bx1, bx0, by1, by0, cx, cy] = proof.points
  try {
    return await groth16.verify(keys.get(proof.merkleTreeDepth as Depth) as VerificationKeyFile, toScalars(proof), {
      pi_a: [ax, ay, '1'], pi_b: [[bx0, bx1], [by0, by1], ['1', '0']], pi_c: [cx, cy, '1'], protocol: 'groth16', curve: 'bn128'
    })
  } catch {
    return false
  }
}

async function both (proof: MembershipProof): Promise<boolean> {
  const [mine, other] = [await ours(proof), await theirs(proof)]
  expect(mine).toBe(other)
  return mine
}

const numbersOf = (proof: MembershipProof): bigint[] => proof.points.map(BigInt)
const withNumbers = (proof: MembershipProof, numbers: readonly bigint[]): MembershipProof => ({ ...proof, points: numbers.map(String) })
const factor = fc.bigInt({ min: 1n, max: SCALARS - 1n })

describe.each(DEPTHS)('of depth %d, this verifier and snarkjs', depth => {
  const proof = (): MembershipProof => proofs.get(depth) as MembershipProof

  it('accept a proof, and every other one that can be made of it', async () => {
    expect(await both(proof())).toBe(true)
    await fc.assert(fc.asyncProperty(factor, factor, async (r, s) => {
      expect(await both(withNumbers(proof(), rerandomised(numbersOf(proof()), r)))).toBe(true)
      expect(await both(withNumbers(proof(), shifted(rerandomised(numbersOf(proof()), r), s, depth)))).toBe(true)
    }), { numRuns: 8 })
  })

  it('refuse it when one of its numbers is another', async () => {
    const field = fc.constantFrom('merkleTreeRoot', 'nullifier', 'message', 'scope')
    await fc.assert(fc.asyncProperty(field, factor, async (key, by) => {
      expect(await both({ ...proof(), [key]: String((BigInt(proof()[key]) + by) % SCALARS) })).toBe(false)
    }), { numRuns: 15 })
    await fc.assert(fc.asyncProperty(fc.nat(7), fc.bigInt({ min: 1n, max: COORDINATE_ORDER - 1n }), async (at, by) => {
      expect(await both(withNumbers(proof(), numbersOf(proof()).map((number, i) => i === at ? (number + by) % COORDINATE_ORDER : number)))).toBe(false)
    }), { numRuns: 15 })
  })

  it('refuse points that are proofs of nothing, or no points', async () => {
    const [ax = 0n, ay = 0n, bx1 = 0n, bx0 = 0n, by1 = 0n, by0 = 0n, cx = 0n, cy = 0n] = numbersOf(proof())
    const wrong = [
      [cx, cy, bx1, bx0, by1, by0, ax, ay],
      [ax, ay, bx0, bx1, by0, by1, cx, cy],
      [ax, COORDINATE_ORDER - ay, bx1, bx0, by1, by0, cx, cy],
      [0n, 0n, bx1, bx0, by1, by0, cx, cy],
      [ax, ay, 0n, 0n, 0n, 0n, cx, cy],
      [ax, ay, bx1, bx0, by1, by0, 0n, 0n],
      Array.from({ length: 8 }, () => 0n),
      Array.from({ length: 8 }, () => 1n),
      outsideSubgroup(numbersOf(proof()))
    ]
    for (const numbers of wrong) {
      expect(await both(withNumbers(proof(), numbers))).toBe(false)
    }
    await fc.assert(fc.asyncProperty(factor.filter(n => n < SCALARS - 1n), async n => {
      expect(await both(withNumbers(proof(), randomProof(n)))).toBe(false)
    }), { numRuns: 10 })
  })

  it('accept both negatives of A and B: they are the factor -1', async () => {
    const numbers = numbersOf(proof())
    expect(await both(withNumbers(proof(), numbers.map((number, i) => [1, 4, 5].includes(i) ? COORDINATE_ORDER - number : number)))).toBe(true)
  })
})

it('what is a coordinate or a signal again by adding its order is refused here', async () => {
  const proof = proofs.get(10) as MembershipProof
  for (let at = 0; at < 8; at++) {
    expect(await ours(withNumbers(proof, numbersOf(proof).map((number, i) => i === at ? number + COORDINATE_ORDER : number)))).toBe(false)
  }
  expect(await ours({ ...proof, nullifier: String(BigInt(proof.nullifier) + SCALARS) })).toBe(false)
})
