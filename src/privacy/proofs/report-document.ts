import { ProofRefusedError } from './errors.ts'
import { parsePlainJson } from './plain-json.ts'
import { reportDigest } from './report-digest.ts'
import { isNonce } from './statement.ts'
import type { MembershipVerifier } from './membership-verifier.ts'
import type { MembershipClaim, PrivacyReportData } from '../../interface/privacy.ts'

/** Bytes of a report with its proof: one with 2 000 risks has 2 MB */
export const MAX_DOCUMENT_BYTES = 8_388_608

/** What a report that came as JSON says of itself, none of which is true yet */
export interface ReportDocumentParts {
  /** Hash of the report in it */
  readonly report: string
  /** What it says that its proof was made for */
  readonly nonce?: string
  readonly proof: unknown
}

/**
 * Checks the proof in a report that came as JSON, for the nonce that its reader
 * gave out. Throws a `ProofRefusedError`, also for a report without one.
 */
export async function verifyReportDocument (document: string | Uint8Array, nonce: string, verifier: MembershipVerifier, options: { signal?: AbortSignal } = {}): Promise<MembershipClaim> {
  const { proof, report } = readReportDocument(document)
  return verifier.verify(proof, { report, nonce }, options)
}

/** Takes a report and its proof apart. Throws a `ProofRefusedError`. */
export function readReportDocument (document: string | Uint8Array): ReportDocumentParts {
  if (document.length > MAX_DOCUMENT_BYTES) {
    throw new ProofRefusedError('too-large', `a report has at most ${MAX_DOCUMENT_BYTES} bytes, this one ${document.length}`)
  }

  let value: unknown
  try {
    value = parsePlainJson(document)
  } catch (err) {
    throw new ProofRefusedError('malformed', `this is no report: ${(err as Error).message}`, { cause: err })
  }
  if (typeof value !== 'object' || value == null || Array.isArray(value)) {
    throw new ProofRefusedError('malformed', 'this is no report: it is not an object')
  }

  const { proof: claim, ...report } = value as PrivacyReportData & { proof?: Partial<MembershipClaim> }
  if (claim?.proof == null) {
    throw new ProofRefusedError('malformed', 'this report has no proof of membership')
  }
  return { report: digestOf(report), proof: claim.proof, ...isNonce(claim.nonce) ? { nonce: claim.nonce } : {} }
}

function digestOf (report: PrivacyReportData): string {
  try {
    return reportDigest(report)
  } catch (err) {
    // what is nested thousands of levels deep can be read and not be written
    throw new ProofRefusedError('malformed', 'this is no report: it cannot be written as it was read', { cause: err })
  }
}
