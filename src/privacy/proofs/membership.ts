import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { MembershipGroupError } from './errors.ts'
import { parseNumber, SCALARS } from './field.ts'
import type { MemberIdentity } from './member-identity.ts'
import type { PrivateKey, PublicKey } from '@libp2p/interface'

/** Of a group: can be printed anywhere, and is signed, so it is not free text */
export const GROUP_NAME = /^[a-z\d][a-z\d._-]{0,63}$/i

/** 2 048 bits of RSA make 344 characters, 8 192 make 1 368 */
const MAX_SIGNATURE = 2048

/** As for the signature, with the key's own envelope */
const MAX_PUBLIC_KEY = 2048

/** Peer ids of Ed25519 have 52 characters, others fewer; libp2p reads none of ECDSA keys */
const MAX_PEER = 64

/** The one form in which times are written, so that what was signed can be written again */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** 9999-12-31 */
const LAST_TIME = 253_402_300_799_999

/** One peer's word that a commitment is its own: nothing of it is secret */
export interface Membership {
  /** Peer id */
  readonly peer: string
  /** Decimal number */
  readonly commitment: string
  /** ISO 8601 in UTC with milliseconds */
  readonly validFrom: string
  readonly validUntil: string
  /** By the peer's key, in base64 */
  readonly signature: string
  /** Of a peer whose id does not contain it (RSA), in base64 */
  readonly publicKey?: string
}

export interface MembershipInit {
  /** The group's name: what is signed for one group is worth nothing in another */
  readonly group: string
  readonly identity: Pick<MemberIdentity, 'commitment'>
  /** The node's own */
  readonly privateKey: PrivateKey
  /** Wall clock, in ms */
  readonly validFrom: number
  readonly validUntil: number
}

const OPTIONS = Object.keys({ group: true, identity: true, privateKey: true, validFrom: true, validUntil: true } satisfies Record<keyof MembershipInit, true>)

function signed (group: string, { peer, commitment, validFrom, validUntil }: Omit<Membership, 'signature'>): Uint8Array {
  return fromString(JSON.stringify(['portolan-membership', 1, group, peer, commitment, validFrom, validUntil]))
}

/** A node's own entry in the file of a group: public, and signed by the node's key */
export async function createMembership (init: MembershipInit): Promise<Membership> {
  checkOptionNames('a membership', init, OPTIONS)
  const { group, identity, privateKey, validFrom, validUntil } = init

  if (!GROUP_NAME.test(group)) {
    throw new InvalidOptionError(`the name of a group is 1 to 64 letters, digits, ".", "_" or "-", got ${quote(group, 80)}`)
  }
  if (!(validFrom < validUntil)) {
    throw new InvalidOptionError(`a membership has to end after it begins, got ${quote(validFrom)} to ${quote(validUntil)}`)
  }

  const { publicKeyToProtobuf } = await import('@libp2p/crypto/keys')
  const { publicKey } = privateKey
  const entry = {
    peer: publicKey.toString(),
    commitment: identity.commitment.toString(),
    validFrom: formatTime(validFrom),
    validUntil: formatTime(validUntil),
    ...(publicKey.type === 'RSA' ? { publicKey: toString(publicKeyToProtobuf(publicKey), 'base64pad') } : {})
  }
  return { ...entry, signature: toString(await privateKey.sign(signed(group, entry)), 'base64pad') }
}

/** What is left of a membership when it was checked */
export interface CheckedMembership {
  readonly peer: string
  readonly commitment: bigint
  readonly validFrom: number
  readonly validUntil: number
}

/** Checks shape and signature. Throws a `MembershipGroupError` that begins with `name`. */
export async function checkMembership (value: unknown, group: string, name: string, options: { signal?: AbortSignal } = {}): Promise<CheckedMembership> {
  const fail = (what: string, cause?: unknown): MembershipGroupError => new MembershipGroupError(`${name} ${what}`, { cause })

  if (typeof value !== 'object' || value == null) {
    throw fail('is not an object')
  }
  const { peer, commitment, validFrom, validUntil, signature, publicKey } = value as Record<keyof Membership, unknown>
  if (typeof peer !== 'string' || peer.length > MAX_PEER) {
    throw fail('has no peer id')
  }
  const number = parseNumber(commitment, SCALARS)
  // a leaf of zero stands for "nobody" in Semaphore
  if (number == null || number === 0n) {
    throw fail('has a commitment that is not a number of the field')
  }
  const from = parseTime(validFrom)
  const until = parseTime(validUntil)
  if (from == null || until == null || from >= until) {
    throw fail('needs a validFrom and a later validUntil, both like 2026-01-31T00:00:00.000Z')
  }
  if (typeof signature !== 'string' || signature.length > MAX_SIGNATURE) {
    throw fail('has no signature')
  }
  if (publicKey !== undefined && (typeof publicKey !== 'string' || publicKey.length > MAX_PUBLIC_KEY)) {
    throw fail('has a public key that is none')
  }

  let good: boolean
  try {
    const entry = { peer, commitment: number.toString(), validFrom: formatTime(from), validUntil: formatTime(until) }
    good = await (await keyOf(peer, publicKey)).verify(signed(group, entry), fromString(signature, 'base64pad'), options)
  } catch (err) {
    options.signal?.throwIfAborted()
    throw fail(`cannot be checked for the signature of ${quote(peer)}: ${(err as Error).message}`, err)
  }
  if (!good) {
    throw fail(`is not signed by ${quote(peer)} for the group ${quote(group)}`)
  }
  return { peer, commitment: number, validFrom: from, validUntil: until }
}

async function keyOf (peer: string, publicKey: string | undefined): Promise<PublicKey> {
  const { peerIdFromString } = await import('@libp2p/peer-id')
  const id = peerIdFromString(peer)

  if (id.toString() !== peer) {
    // the same key in other letters would count as another peer
    throw new MembershipGroupError(`the peer id is written as ${quote(id.toString())}`)
  }
  if (publicKey == null) {
    if (id.publicKey == null) {
      throw new MembershipGroupError('its id does not contain its public key, so the entry has to')
    }
    return id.publicKey
  }

  const { publicKeyFromProtobuf } = await import('@libp2p/crypto/keys')
  const key = publicKeyFromProtobuf(fromString(publicKey, 'base64pad'))
  if (key.toString() !== id.toString()) {
    throw new MembershipGroupError('the public key is another peer\'s')
  }
  return key
}

/** Years of four digits, so that there is one way to write it */
export function formatTime (ms: number): string {
  if (!(ms >= 0 && ms <= LAST_TIME)) {
    throw new InvalidOptionError(`a time is in ms since 1970, and before the year 10000, got ${quote(ms, 40)}`)
  }
  return new Date(ms).toISOString()
}

/** Undefined when it is not written in the one form */
export function parseTime (value: unknown): number | undefined {
  if (typeof value !== 'string' || !TIME.test(value)) {
    return undefined
  }
  const ms = Date.parse(value)
  return ms >= 0 && formatTime(ms) === value ? ms : undefined
}
