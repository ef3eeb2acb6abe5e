import { bn254 } from '@noble/curves/bn254.js'
import { SCALARS } from '../../../../src/privacy/proofs/field.ts'
import { toPoints } from '../../../../src/privacy/proofs/groth16.ts'
import { VERIFICATION_KEYS } from '../../../../src/privacy/proofs/verification-keys.ts'
import type { Groth16Proof } from '../../../../src/privacy/proofs/groth16.ts'
import type { Depth } from '../../../../src/privacy/proofs/statement.ts'

const { G1, G2, fields: { Fp, Fp2, Fr } } = bn254

/** The eight numbers of a proof: the reverse of `toPoints` */
export function toNumbers ({ a, b, c }: Groth16Proof): bigint[] {
  const [pa, pb, pc] = [a.toAffine(), b.toAffine(), c.toAffine()]
  return [pa.x, pa.y, pb.x.c1, pb.x.c0, pb.y.c1, pb.y.c0, pc.x, pc.y]
}

/** Another proof of the same statement, which anybody can make of one: (rA, B/r, C) */
export function rerandomised (numbers: readonly bigint[], r: bigint): bigint[] {
  const { a, b, c } = toPoints(numbers)
  return toNumbers({ a: a.multiply(r), b: b.multiply(Fr.inv(r)), c })
}

/** The same, by the other way that there is: (A, B + sδ, C + sA) */
export function shifted (numbers: readonly bigint[], s: bigint, depth: Depth): bigint[] {
  const { a, b, c } = toPoints(numbers)
  const { x, y } = VERIFICATION_KEYS[depth].delta
  return toNumbers({ a, b: b.add(G2.Point.fromAffine({ x, y }).multiply(s)), c: c.add(a.multiply(s)) })
}

export function randomProof (n: bigint): bigint[] {
  return toNumbers({ a: G1.Point.BASE.multiply(n), b: G2.Point.BASE.multiply(n * n % SCALARS), c: G1.Point.BASE.multiply(n + 1n) })
}

/** A point of the twist that is in no subgroup where a pairing says anything: all but one of 2^254 are not */
export function outsideSubgroup (numbers: readonly bigint[]): bigint[] {
  for (let x = 1n; ; x++) {
    const at = { c0: x, c1: 1n }
    const square = Fp2.add(Fp2.mul(Fp2.sqr(at), at), G2.Point.CURVE().b)
    try {
      const y = Fp2.sqrt(square)
      return numbers.map((number, i) => [undefined, undefined, at.c1, at.c0, y.c1, y.c0][i] ?? number)
    } catch {
      // no square: the next one may be, every second is
      continue
    }
  }
}

export const COORDINATE_ORDER = Fp.ORDER
