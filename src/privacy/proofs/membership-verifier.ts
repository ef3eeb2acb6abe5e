import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkComponents, checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { claimOf } from './claim.ts'
import { ProofRefusedError } from './errors.ts'
import { NullifierBook } from './nullifier-book.ts'
import { parseProof } from './proof-format.ts'
import { messageOf, publicSignals, scopeOf } from './statement.ts'
import type { MembershipGroup } from './membership-group.ts'
import type { Nullifiers } from './nullifier-book.ts'
import type { ParsedProof } from './proof-format.ts'
import type { Clock } from '../../interface/clock.ts'
import type { MembershipClaim } from '../../interface/privacy.ts'

/** Clocks of machines that keep time at all differ by less, and a report may be on its way for as long */
export const DEFAULT_EPOCH_GRACE_MS = 300_000

export interface MembershipVerifierComponents {
  group: MembershipGroup
  /** Shared by all who must not accept one claim twice. @default remembered by this object alone */
  nullifiers?: Nullifiers
  /** @default the machine's */
  clock?: Clock
}

export interface MembershipVerifierInit {
  /** How long before and after an epoch its proofs are taken, in ms. @default 300_000 */
  graceMs?: number
}

const OPTIONS = Object.keys({ graceMs: true } satisfies Record<keyof MembershipVerifierInit, true>)

/** What a proof has to be about */
export interface ExpectedClaim {
  /** Hash of the report, see `reportDigest` */
  readonly report: string
  /** What this reader asked for it with, see `createNonce` */
  readonly nonce: string
}

/**
 * Accepts each member's claim once an epoch. No code of the prover's is in it,
 * and none of its packages are needed. What costs little is looked at first, so
 * that whoever sends rubbish is not paid for with a pairing (50 ms).
 */
export class MembershipVerifier {
  readonly #group: MembershipGroup
  readonly #clock: Clock
  readonly #grace: number
  readonly #nullifiers: Nullifiers | Promise<Nullifiers>

  constructor (components: MembershipVerifierComponents, init: MembershipVerifierInit = {}) {
    checkComponents('a verifier', components, OPTIONS, option => `new MembershipVerifier({ group }, { ${option} })`)
    checkOptionNames('a verifier', init, OPTIONS)
    const { group, nullifiers, clock = systemClock } = components
    const { graceMs = DEFAULT_EPOCH_GRACE_MS } = init

    // with more than half an epoch on both sides, epochs would say nothing
    if (!Number.isFinite(graceMs) || graceMs < 0 || graceMs > group.epochMs / 2) {
      throw new InvalidOptionError(`graceMs must be from 0 to half an epoch, ${group.epochMs / 2}, got ${String(graceMs)}`)
    }
    this.#group = group
    this.#clock = clock
    this.#grace = graceMs
    this.#nullifiers = nullifiers ?? NullifierBook.open({ clock })
  }

  /**
   * Says what the proof proves; from then on its member's claim is made. Throws a `ProofRefusedError` whose `reason`
   * says why not, and a `NullifierStoreError` when the claim could not be kept and is open as before.
   */
  async verify (proof: unknown, { report, nonce }: ExpectedClaim, options: { signal?: AbortSignal } = {}): Promise<MembershipClaim> {
    options.signal?.throwIfAborted()
    const message = messageOf(report, nonce)
    const parsed = parseProof(proof)
    const size = this.#check(parsed, message)
    const nullifiers = await this.#nullifiers

    if (nullifiers.has(parsed.scope, parsed.nullifier)) {
      throw replayed(parsed)
    }

    await checkPairing(parsed)
    options.signal?.throwIfAborted()

    const until = (parsed.epoch + 1) * this.#group.epochMs + this.#grace
    const outcome = await nullifiers.claim({ scope: parsed.scope, nullifier: parsed.nullifier, until }, options)
    if (outcome === 'seen') {
      throw replayed(parsed)
    }
    if (outcome === 'forgotten') {
      throw new ProofRefusedError('epoch', `what was claimed in epoch ${parsed.epoch} was forgotten when it was over: this machine's clock was set back`)
    }
    return claimOf(parsed, { size, report, nonce })
  }

  /** All that can be said without arithmetic on the curve: how many the group's members are at this root */
  #check (proof: ParsedProof, message: bigint): number {
    const group = this.#group
    const now = this.#clock.wall()

    if (proof.depth !== group.depth) {
      throw new ProofRefusedError('depth', `the group is of depth ${group.depth}, the proof of ${proof.depth}`)
    }
    if (proof.group !== group.name) {
      throw new ProofRefusedError('group', `the proof is for the group ${quote(proof.group)}, and not for ${quote(group.name)}`)
    }
    if (!group.isValid(now)) {
      throw new ProofRefusedError('expired', `the file of the group ${quote(group.name)} is not valid now: another one is needed`)
    }
    if (proof.epoch < group.epochAt(now - this.#grace) || proof.epoch > group.epochAt(now + this.#grace)) {
      throw new ProofRefusedError('epoch', `the proof is of epoch ${proof.epoch}, and this is ${group.epochAt(now)}`)
    }
    if (proof.scope !== scopeOf(group.name, proof.epoch)) {
      throw new ProofRefusedError('scope', 'the proof is for another scope than that of this group and epoch')
    }
    if (proof.message !== message) {
      throw new ProofRefusedError('message', 'the proof is about another report, or was made for another nonce')
    }

    const size = group.sizeOf(proof.root)
    if (size == null) {
      throw new ProofRefusedError('root', 'the proof is for a root that is not in the window of this group: its members have changed, or they are others')
    }
    return size
  }
}

/** Whether the numbers are a proof at all, whatever of: throws when not */
export async function checkPairing (proof: ParsedProof): Promise<void> {
  // 25 ms at its first use: only where proofs are verified
  const { COORDINATES, toPoints, verifyGroth16 } = await import('./groth16.ts')

  if (proof.points.some(coordinate => coordinate >= COORDINATES)) {
    throw new ProofRefusedError('point', 'the proof has a coordinate that is larger than the field')
  }

  let points
  try {
    points = toPoints(proof.points)
  } catch (err) {
    throw new ProofRefusedError('point', 'the proof is not made of points of the curve', { cause: err })
  }
  if (!verifyGroth16(proof.depth, publicSignals(proof.root, proof.nullifier, proof.message, proof.scope), points)) {
    throw new ProofRefusedError('forged', 'the proof does not prove what it says')
  }
}

function replayed ({ epoch }: ParsedProof): ProofRefusedError {
  return new ProofRefusedError('replayed', `this member has made a claim in epoch ${epoch}; each makes one`)
}
