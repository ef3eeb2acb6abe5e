import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { digest, poseidon2, toScalar } from './field.ts'
import type { MemberIdentity } from './member-identity.ts'

/** The circuit of Semaphore, version 4, for trees of at most so many levels: what artifacts are pinned for */
export const DEPTHS = [10, 16] as const

export type Depth = typeof DEPTHS[number]

export const STATEMENT = 'semaphore-v4'

/** Below this, "one of them" says who it is: the library itself warns of groups of one or two */
export const MIN_GROUP_SIZE = 5

const REPORT_HASH = /^[0-9a-f]{64}$/

/** Of at least 95 bits where it is random; long enough for whatever a verifier counts by */
const NONCE = /^[\w-]{16,128}$/

/** What a nullifier counts in: a member makes one claim in each epoch of each group */
export function scopeOf (group: string, epoch: number): bigint {
  return digest('portolan-privacy', group, epoch)
}

export function isNonce (value: unknown): value is string {
  return typeof value === 'string' && NONCE.test(value)
}

/** What a claim is about: a report, and the number that its reader asked for it with */
export function messageOf (report: string, nonce: string): bigint {
  if (!REPORT_HASH.test(report)) {
    throw new InvalidOptionError(`the hash of a report is 64 hexadecimal digits in lower case, got ${quote(report, 80)}`)
  }
  if (!isNonce(nonce)) {
    throw new InvalidOptionError(`a nonce is 16 to 128 letters, digits, "-" or "_", got ${quote(nonce, 140)}`)
  }
  return digest('portolan-privacy-report', report, nonce)
}

/** Tells two claims of one member in one scope to be of one, and says nothing of the member */
export function nullifierOf (identity: MemberIdentity, scope: bigint): bigint {
  return poseidon2(toScalar(scope), identity.secret)
}

/** Root, nullifier, message and scope */
export const PUBLIC_SIGNALS = 4

/** The public side of the circuit, in its order */
export function publicSignals (root: bigint, nullifier: bigint, message: bigint, scope: bigint): readonly bigint[] {
  return [root, nullifier, toScalar(message), toScalar(scope)]
}
