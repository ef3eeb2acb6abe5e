import { quote } from '../../interface/quote.ts'
import { ProofRefusedError } from './errors.ts'
import { parseNumber, SCALARS } from './field.ts'
import { GROUP_NAME } from './membership.ts'
import { DEPTHS, STATEMENT } from './statement.ts'
import type { MembershipProof } from '../../interface/privacy.ts'
import type { Depth } from './statement.ts'

/** Bytes of a proof as JSON: a real one has 1 400 at most */
export const MAX_PROOF_BYTES = 4096

/** Numbers of a proof: two points of the curve, and one of its twist */
export const PROOF_NUMBERS = 8

const TWO_256 = 1n << 256n

const KEYS = ['version', 'statement', 'group', 'epoch', 'merkleTreeDepth', 'merkleTreeRoot', 'nullifier', 'message', 'scope', 'points']

/** A proof that says something, true or not */
export interface ParsedProof {
  readonly group: string
  readonly epoch: number
  readonly depth: Depth
  readonly root: bigint
  readonly nullifier: bigint
  readonly message: bigint
  readonly scope: bigint
  /** Coordinates, each below the order of the curve's field or not */
  readonly points: readonly bigint[]
}

function malformed (what: string): ProofRefusedError {
  return new ProofRefusedError('malformed', `this is no proof of membership: ${what}`)
}

/** Reads a proof, as text, bytes or JSON that was read already. Throws a `ProofRefusedError`, after work that does not grow with what it was given. */
export function parseProof (input: unknown): ParsedProof {
  const proof = toRecord(input)
  const { version, statement, group, epoch, merkleTreeDepth, points } = proof
  const strange = Object.keys(proof).find(key => !KEYS.includes(key))

  if (strange != null) {
    throw malformed(`it has ${quote(strange, 40)}, which none has`)
  }
  // what is inherited is nobody's word
  const absent = KEYS.find(key => !Object.hasOwn(proof, key))
  if (absent != null) {
    throw malformed(`it has no ${absent}`)
  }
  if (version !== 1 || statement !== STATEMENT) {
    throw malformed(`its statement is ${quote(statement, 40)} in version ${quote(version, 10)}, and not "${STATEMENT}" in version 1`)
  }
  if (typeof group !== 'string' || !GROUP_NAME.test(group)) {
    throw malformed('the name of its group is none')
  }
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) {
    throw malformed('its epoch is not a number')
  }
  const depth = DEPTHS.find(depth => depth === merkleTreeDepth)
  if (depth == null) {
    throw new ProofRefusedError('depth', `proofs are of depth ${DEPTHS.join(' or ')}, this one of ${quote(merkleTreeDepth, 20)}`)
  }
  if (!Array.isArray(points) || points.length !== PROOF_NUMBERS) {
    throw malformed(`its points are not ${PROOF_NUMBERS} numbers`)
  }

  return {
    group,
    epoch,
    depth,
    root: number(proof, 'merkleTreeRoot', SCALARS),
    nullifier: number(proof, 'nullifier', SCALARS),
    message: number(proof, 'message', TWO_256),
    scope: number(proof, 'scope', TWO_256),
    points: points.map((_, i) => number(points, i, TWO_256))
  }
}

/** The form in which it is handed on, which Semaphore's own verifier takes too */
export function formatProof ({ group, epoch, depth, root, nullifier, message, scope, points }: ParsedProof): MembershipProof {
  return {
    version: 1,
    statement: STATEMENT,
    group,
    epoch,
    merkleTreeDepth: depth,
    merkleTreeRoot: root.toString(),
    nullifier: nullifier.toString(),
    message: message.toString(),
    scope: scope.toString(),
    points: points.map(String)
  }
}

function number (from: Readonly<Record<string | number, unknown>> | readonly unknown[], key: string | number, limit: bigint): bigint {
  const value = parseNumber((from as Record<string | number, unknown>)[key], limit)

  if (value == null) {
    throw malformed(`${typeof key === 'number' ? `number ${key} of its points` : `its ${key}`} is not a decimal number ${limit === SCALARS ? 'of the field' : 'of 256 bits'}`)
  }
  return value
}

function toRecord (input: unknown): Readonly<Record<string, unknown>> {
  let value = input

  if (typeof input === 'string' || input instanceof Uint8Array) {
    if (input.length > MAX_PROOF_BYTES) {
      throw new ProofRefusedError('too-large', `a proof has at most ${MAX_PROOF_BYTES} bytes, this one ${input.length}`)
    }
    try {
      value = JSON.parse(typeof input === 'string' ? input : new TextDecoder('utf-8', { fatal: true }).decode(input))
    } catch (err) {
      throw new ProofRefusedError('malformed', 'this is no proof of membership: it is not JSON', { cause: err })
    }
  }
  if (typeof value !== 'object' || value == null || Array.isArray(value)) {
    throw malformed('it is not an object')
  }
  return value as Readonly<Record<string, unknown>>
}
