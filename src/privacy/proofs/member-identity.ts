import { blake512 } from '@noble/hashes/blake1.js'
import { InvalidOptionError } from '../../interface/errors.ts'
import { poseidon2 } from './field.ts'

/** Bytes of randomness that an identity is made of */
export const SEED_BYTES = 32

/** Who can prove that he is a member. `secret` never leaves the process but to the prover's. */
export interface MemberIdentity {
  readonly secret: bigint
  /** What is published: it says nothing of the secret, and no nullifier can be linked to it */
  readonly commitment: bigint
}

/** A seed of its own: made of the key of the node, whoever gets that would know everything that was claimed with it */
export function randomSeed (): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SEED_BYTES))
}

/** The identity that Semaphore makes of a private key with these bytes */
export async function memberIdentity (seed: Uint8Array): Promise<MemberIdentity> {
  if (!(seed instanceof Uint8Array) || seed.byteLength !== SEED_BYTES) {
    throw new InvalidOptionError(`the seed of an identity has ${SEED_BYTES} bytes, got ${seed instanceof Uint8Array ? seed.byteLength : typeof seed}`)
  }

  // what few callers need is loaded when they do
  const { babyjubjub: { Point } } = await import('@noble/curves/misc.js')
  const hash = blake512(seed).subarray(0, 32)
  let pruned = 0n

  for (const [i, byte] of [...hash].entries()) {
    pruned |= BigInt(prune(byte, i)) << BigInt(8 * i)
  }

  const secret = (pruned >> 3n) % Point.Fn.ORDER
  const { x, y } = Point.BASE.multiply(secret).toAffine()
  return { secret, commitment: poseidon2(x, y) }
}

/** As EdDSA does, so that the scalar's size says nothing and small subgroups do not matter */
function prune (byte: number, i: number): number {
  if (i === 0) {
    return byte & 0xf8
  }
  return i === 31 ? (byte & 0x7f) | 0x40 : byte
}
