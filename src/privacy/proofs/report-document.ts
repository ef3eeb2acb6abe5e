import { ProofRefusedError } from './errors.ts'
import { reportDigest } from './report-digest.ts'
import type { MembershipVerifier } from './membership-verifier.ts'
import type { MembershipClaim, PrivacyReportData } from '../../interface/privacy.ts'

/** Bytes of a report with its proof: one with 2 000 risks has 2 MB */
export const MAX_DOCUMENT_BYTES = 8_388_608

/**
 * Checks the proof in a report that came as JSON, for the nonce that its reader
 * gave out. Throws a `ProofRefusedError`, also for a report without one.
 */
export async function verifyReportDocument (document: string | Uint8Array, nonce: string, verifier: MembershipVerifier, options: { signal?: AbortSignal } = {}): Promise<MembershipClaim> {
  if (document.length > MAX_DOCUMENT_BYTES) {
    throw new ProofRefusedError('too-large', `a report has at most ${MAX_DOCUMENT_BYTES} bytes, this one ${document.length}`)
  }

  let value: unknown
  try {
    value = JSON.parse(typeof document === 'string' ? document : new TextDecoder('utf-8', { fatal: true }).decode(document))
  } catch (err) {
    throw new ProofRefusedError('malformed', 'this is no report: it is not JSON', { cause: err })
  }
  if (typeof value !== 'object' || value == null || Array.isArray(value)) {
    throw new ProofRefusedError('malformed', 'this is no report: it is not an object')
  }

  const { proof, ...report } = value as PrivacyReportData & { proof?: Partial<MembershipClaim> }
  if (proof?.proof == null) {
    throw new ProofRefusedError('malformed', 'this report has no proof of membership')
  }
  return verifier.verify(proof.proof, { report: digestOf(report), nonce }, options)
}

function digestOf (report: PrivacyReportData): string {
  try {
    return reportDigest(report)
  } catch (err) {
    // what is nested thousands of levels deep can be read and not be written
    throw new ProofRefusedError('malformed', 'this is no report: it cannot be written as it was read', { cause: err })
  }
}
