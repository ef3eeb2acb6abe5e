import { publicSignals } from '../../../../src/privacy/proofs/statement.ts'
import type { MembershipProof } from '../../../../src/interface/privacy.ts'

/** The public side of a proof, as snarkjs takes it */
export function toScalars ({ merkleTreeRoot, nullifier, message, scope }: MembershipProof): string[] {
  return publicSignals(BigInt(merkleTreeRoot), BigInt(nullifier), BigInt(message), BigInt(scope)).map(String)
}
