/**
 * Why a proof was not accepted: a closed set, fit to be a label.
 *
 * - `too-large`, `malformed`: it was not looked at any further
 * - `depth`, `group`, `epoch`, `scope`, `message`, `root`: it is a proof of something else than was asked for
 * - `expired`: the group is not valid now
 * - `replayed`: this member has made a claim in this epoch
 * - `point`: it is not made of points of the curve
 * - `forged`: it proves nothing
 */
export const REFUSAL_REASONS = ['too-large', 'malformed', 'depth', 'group', 'epoch', 'scope', 'message', 'root', 'expired', 'replayed', 'point', 'forged'] as const

export type RefusalReason = typeof REFUSAL_REASONS[number]

/** A proof of membership was not accepted; `reason` says in which way */
export class ProofRefusedError extends Error {
  static override name = 'ProofRefusedError'
  override name = 'ProofRefusedError'
  readonly reason: RefusalReason

  constructor (reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A group, or one of its members' commitments, is not one that anybody could hide in: the message says where */
export class MembershipGroupError extends Error {
  static override name = 'MembershipGroupError'
  override name = 'MembershipGroupError'
}

/** The identity that was to prove its membership is none of the group's members */
export class NotAMemberError extends Error {
  static override name = 'NotAMemberError'
  override name = 'NotAMemberError'
}

/** The circuit or the proving key is not the one of the ceremony: nothing is made with it */
export class ArtifactError extends Error {
  static override name = 'ArtifactError'
  override name = 'ArtifactError'
}

/** No proof came of it: the process that was to make it failed, ended, or was too slow */
export class ProverError extends Error {
  static override name = 'ProverError'
  override name = 'ProverError'
}

/** Nullifiers cannot be kept, so that no proof is accepted: a replay could not be told */
export class NullifierStoreError extends Error {
  static override name = 'NullifierStoreError'
  override name = 'NullifierStoreError'
}
