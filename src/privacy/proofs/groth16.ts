import { bn254 } from '@noble/curves/bn254.js'
import { CEREMONY, VERIFICATION_KEYS } from './verification-keys.ts'
import type { PointOne, PointTwo } from './verification-keys.ts'
import type { Depth } from './statement.ts'

/** Of the curve's coordinates */
export const COORDINATES: bigint = bn254.fields.Fp.ORDER

type One = ReturnType<typeof bn254.G1.Point.fromAffine>
type Two = ReturnType<typeof bn254.G2.Point.fromAffine>

export interface Groth16Proof {
  readonly a: One
  readonly b: Two
  readonly c: One
}

function one ({ x, y }: PointOne): One {
  return bn254.G1.Point.fromAffine({ x, y })
}

function two ({ x, y }: PointTwo): Two {
  return bn254.G2.Point.fromAffine({ x, y })
}

/**
 * A proof from its eight numbers, in the order in which Semaphore packs them.
 * Throws unless they are points of the curve, and the second one of the
 * subgroup: a pairing of any other says nothing.
 */
export function toPoints (numbers: readonly bigint[]): Groth16Proof {
  const [ax = 0n, ay = 0n, bx1 = 0n, bx0 = 0n, by1 = 0n, by0 = 0n, cx = 0n, cy = 0n] = numbers
  const proof = {
    a: one({ x: ax, y: ay }),
    b: two({ x: { c0: bx0, c1: bx1 }, y: { c0: by0, c1: by1 } }),
    c: one({ x: cx, y: cy })
  }

  for (const point of [proof.a, proof.b, proof.c]) {
    point.assertValidity()

    // it is valid, and no honest prover comes to it
    if (point.is0()) {
      throw new RangeError('a point of a proof is zero')
    }
  }
  return proof
}

/** e(A, B) = e(α, β) · e(Σ signalᵢ · inputᵢ, γ) · e(C, δ), signals below the order of the group */
export function verifyGroth16 (depth: Depth, signals: readonly bigint[], { a, b, c }: Groth16Proof): boolean {
  const { delta, inputs } = VERIFICATION_KEYS[depth]
  const [constant, ...factors] = inputs.map(one)

  if (constant == null || factors.length !== signals.length) {
    return false
  }

  // all of this is public, so that time may tell of it; a sum of zero has no pairing, and proves nothing
  const sum = factors.reduce((sum, point, i) => sum.add(point.multiplyUnsafe(signals[i] ?? 0n)), constant)
  if (sum.is0()) {
    return false
  }

  const { Fp12 } = bn254.fields
  const product = bn254.pairingBatch([
    { g1: a.negate(), g2: b },
    { g1: one(CEREMONY.alpha), g2: two(CEREMONY.beta) },
    { g1: sum, g2: two(CEREMONY.gamma) },
    { g1: c, g2: two(delta) }
  ])
  return Fp12.eql(product, Fp12.ONE)
}
