import { formatProof } from './proof-format.ts'
import { STATEMENT } from './statement.ts'
import type { ParsedProof } from './proof-format.ts'
import type { MembershipClaim } from '../../interface/privacy.ts'

export interface ClaimAbout {
  /** Members at the proof's root */
  readonly size: number
  readonly report: string
  readonly nonce: string
}

/** What is said of a proof that was checked */
export function claimOf (proof: ParsedProof, { size, report, nonce }: ClaimAbout): MembershipClaim {
  const { group, epoch } = proof

  return {
    result: 'verified',
    statement: STATEMENT,
    group,
    members: size,
    epoch,
    root: proof.root.toString(),
    scope: proof.scope.toString(),
    nullifier: proof.nullifier.toString(),
    report,
    nonce,
    proven: [
      `whoever made the proof knows the secret behind one of the ${size} commitments of the group ${group}, each signed with the key of its peer; the proof is the same whichever it is`,
      'it was made for this report and this nonce: with another report or another nonce it is refused',
      `it counts once: a second claim of the same member in epoch ${epoch} has the same nullifier, and is refused by all who share the record of nullifiers`
    ],
    notProven: [
      'that what the report says is true: the proof says who may speak, and nothing of what is said',
      'who made the report: members may lend their secret, and a report that names its own peers and times may give its maker away',
      'that the sender is hidden: the connection on which the proof arrives shows a peer and an address, unless a relay or another member hands it in',
      `that ${size} members are ${size} parties: one party may run many peers, and whoever writes the file of the group decides who is in it`,
      'that nobody can be singled out by time: whoever reports while all others are silent is likely to be the one; report together, at the end of the epoch',
      'that two claims cannot be linked: those of one member in one epoch have the same nullifier',
      'that the nonce is the reader\'s: only a reader who gave it out, and gives each out once, knows that the proof is not an old one',
      'more than the setup allows: it is sound as long as one of those who took part in Semaphore\'s ceremony of 2024 destroyed their share, and nobody breaks bn254 (about 100 bits)'
    ],
    proof: formatProof(proof)
  }
}
