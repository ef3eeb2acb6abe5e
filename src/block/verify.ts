import * as Digest from 'multiformats/hashes/digest'
import { equals } from 'uint8arrays/equals'
import { BlockTooLargeError, HashMismatchError, InvalidOptionError, UnacceptableHashError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { acceptedAlgorithms } from './accepted-algorithms.ts'
import { BLAKE3_CODE, BLAKE3_DIGEST, IDENTITY_CODE, SHA1_CODE, SHA256_CODE } from './hashes.ts'
import { multihashKey } from './key.ts'
import { compare, mismatch, unhashed } from './mismatch.ts'
import type { Algorithm } from './hashes.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'
import type { MultihashDigest, MultihashHasher } from 'multiformats/hashes/interface'

/** Bytes. What bitswap peers accept and every known gateway serves: larger blocks cannot travel. */
export const DEFAULT_MAX_BLOCK_SIZE = 2_097_152

/** A block is held in memory whole, several at a time: a limit above this is a mistake in the unit */
const MAX_MAX_BLOCK_SIZE = 1_073_741_824

/** Bytes of digest below which somebody can afford to look for a second block with the same one (as boxo's verifcid) */
export const MIN_DIGEST_LENGTH = 20

/** Bytes that an identity CID may carry: Helia's and boxo's limit */
export const MAX_IDENTITY_LENGTH = 128

/** Its code and length, a byte each, and the digest */
const SHA256_MULTIHASH_BYTES = 34

export interface BlockVerifierInit {
  /** Largest block accepted, in bytes. @default 2_097_152 */
  maxBlockSize?: number
  /** Accept sha1, for which collisions can be made. @default false */
  allowSha1?: boolean
  /** More hash functions, or faster ones for the codes known here. Trusted: a wrong one lets wrong bytes in. */
  hashers?: readonly MultihashHasher[]
  /**
   * The platform's own sha2-256, where that is faster than the one known here. It is taken for the same function: what
   * it says is remembered for other verifiers too, which what `hashers` say is not.
   */
  sha256?: (bytes: Uint8Array) => Uint8Array
  /** The same function, as the question whether a multihash ends in the digest of these bytes: for small blocks, of which there are many */
  endsInSha256?: (multihash: Uint8Array, bytes: Uint8Array) => boolean
}

export interface VerifyOptions {
  /** Largest block accepted in this call, in bytes. @default the verifier's */
  maxBlockSize?: number
  /** The bytes are hashed, whatever is known of the array, and not remembered: its owner may fill it again. @default false */
  anew?: boolean
}

/**
 * Decides which bytes are the block of a CID. It remembers, by object
 * identity, the bytes that it has verified, so that one block is hashed once
 * however many hands it goes through: **verified bytes must not be mutated**.
 */
export interface BlockVerifier {
  /** Largest block accepted, in bytes */
  readonly maxBlockSize: number
  /** How many hashes were computed so far, by `verify` and by the `hashers` together */
  readonly hashed: number
  /** Throws an `UnacceptableHashError` when bytes cannot be trusted by this CID's hash */
  check (cid: CID): void
  /** The bytes of an identity CID: they are in the CID, nobody needs to be asked. Undefined for other CIDs. */
  identity (cid: CID): Uint8Array | undefined
  /**
   * Throws when the bytes are not the block: `UnacceptableHashError`,
   * `BlockTooLargeError`, `HashMismatchError`. Synchronous where the hash
   * function is: await the result only when it is a promise, or always.
   */
  verify (cid: CID, bytes: Uint8Array, options?: VerifyOptions): Promise<void> | void
  /**
   * Whether the bytes, of which nothing is remembered, are those of a multihash: as `verify` with `anew`, for the many
   * small blocks that somebody puts. False too when only `verify` can say that.
   */
  isRight (multihash: Uint8Array, bytes: Uint8Array): boolean
  /**
   * The caller knows that these bytes are the block's, by a check of its own that is as good as this one was at some
   * other time: a checksum that was taken when they were hashed. They are not hashed again. Throws an
   * `UnacceptableHashError` when bytes cannot be trusted by this CID's hash.
   */
  vouch (cid: CID, bytes: Uint8Array): void
  /**
   * Which block the bytes are, by what is known of their hash before them: the
   * key of the one CID multihash that they match. Remembered as in `verify`, which
   * costs nothing then; so the bytes must be nobody else's. Throws an
   * `UnacceptableHashError` or a `BlockTooLargeError`.
   */
  identify (hash: HashPrefix, bytes: Uint8Array): Promise<BlockKey> | BlockKey
  /**
   * The accepted hash functions for Helia's `hashers` init. They answer for
   * bytes that were verified here without hashing them again.
   */
  hashers (): MultihashHasher[]
}

/** What a multihash is before its digest */
export interface HashPrefix {
  /** Multicodec of the hash function */
  readonly hash: number
  readonly digestLength: number
}

interface Remembered {
  readonly code: number
  readonly digest: Uint8Array
  /** A view over a resizable buffer can change its length and stay the same object */
  readonly length: number
}

/**
 * @example
 *
 * ```ts
 * const verifier = blockVerifier({ maxBlockSize: 1_048_576 })
 * await verifier.verify(cid, bytes)
 * ```
 */
export function blockVerifier (init: BlockVerifierInit = {}): BlockVerifier {
  return new Verifier(init)
}

/** One for the process: a block goes through the hands of several verifiers, such as a cache's and a node's */
const verified = new WeakMap<Uint8Array, Remembered>()

class Verifier implements BlockVerifier {
  readonly maxBlockSize: number
  readonly #algorithms: Map<number, Algorithm>
  readonly #memo: WeakMap<Uint8Array, Remembered>
  readonly #endsInSha256: BlockVerifierInit['endsInSha256']
  #hashed = 0

  constructor (init: BlockVerifierInit) {
    this.maxBlockSize = blockSize(init.maxBlockSize ?? DEFAULT_MAX_BLOCK_SIZE)
    this.#algorithms = acceptedAlgorithms(init)
    // what somebody else's hash function says is nobody else's truth
    this.#memo = init.hashers == null ? verified : new WeakMap()
    this.#endsInSha256 = init.hashers?.some(({ code }) => code === SHA256_CODE) === true ? undefined : init.endsInSha256
  }

  get hashed (): number {
    return this.#hashed
  }

  check (cid: CID): void {
    if (cid.multihash.code === IDENTITY_CODE) {
      if (cid.multihash.digest.byteLength > MAX_IDENTITY_LENGTH) {
        throw new UnacceptableHashError(`The identity CID ${quote(cid)} carries ${cid.multihash.digest.byteLength} bytes, at most ${MAX_IDENTITY_LENGTH} are accepted`)
      }

      return
    }

    this.#algorithm(cid)
  }

  identity (cid: CID): Uint8Array | undefined {
    if (cid.multihash.code !== IDENTITY_CODE) {
      return undefined
    }

    this.check(cid)
    return cid.multihash.digest
  }

  verify (cid: CID, bytes: Uint8Array, options: VerifyOptions = {}): Promise<void> | void {
    if (!(bytes instanceof Uint8Array)) {
      throw new HashMismatchError(`The block ${quote(cid)} should be bytes, but is ${bytes === null ? 'null' : `of type ${typeof bytes}`}`)
    }

    const limit = options.maxBlockSize == null ? this.maxBlockSize : blockSize(options.maxBlockSize)

    if (bytes.byteLength > limit) {
      throw new BlockTooLargeError(`The block ${quote(cid)} has ${bytes.byteLength} bytes, at most ${limit} are accepted`)
    }

    if (cid.multihash.code === IDENTITY_CODE) {
      this.check(cid)

      if (!equals(bytes, cid.multihash.digest)) {
        throw mismatch(cid, bytes, `the CID itself carries ${cid.multihash.digest.byteLength} other bytes`)
      }

      return
    }

    const algorithm = this.#algorithm(cid)
    const { anew = false } = options
    const remembered = anew ? undefined : this.#recall(algorithm, bytes, cid.multihash.digest.byteLength)

    if (remembered != null) {
      return compare(cid, algorithm, bytes, remembered)
    }

    const digest = this.#hash(algorithm, bytes, cid.multihash.digest.byteLength)

    if (digest instanceof Uint8Array) {
      this.#accept(cid, algorithm, bytes, digest, anew)
    } else {
      return digest.then((later) => { this.#accept(cid, algorithm, bytes, later, anew) })
    }
  }

  isRight (multihash: Uint8Array, bytes: Uint8Array): boolean {
    if (this.#endsInSha256 == null || bytes.byteLength > this.maxBlockSize || multihash.byteLength !== SHA256_MULTIHASH_BYTES || multihash[0] !== SHA256_CODE || multihash[1] !== SHA256_MULTIHASH_BYTES - 2) {
      return false
    }
    this.#hashed++
    return this.#endsInSha256(multihash, bytes)
  }

  #accept (cid: CID, algorithm: Algorithm, bytes: Uint8Array, digest: Uint8Array, anew: boolean): void {
    compare(cid, algorithm, bytes, digest)
    if (!anew) {
      // only what was verified is remembered: a buffer with wrong bytes may well be filled again by its owner
      this.#memo.set(bytes, { code: algorithm.code, digest, length: bytes.byteLength })
    }
  }

  vouch (cid: CID, bytes: Uint8Array): void {
    if (cid.multihash.code !== IDENTITY_CODE) {
      const { code, maxDigest } = this.#algorithm(cid)
      const { digest } = cid.multihash

      // of a truncated one the rest is not known, and may be asked for
      if (digest.byteLength === (code === BLAKE3_CODE ? BLAKE3_DIGEST : maxDigest)) {
        this.#memo.set(bytes, { code, digest, length: bytes.byteLength })
      }
    }
  }

  identify ({ hash, digestLength }: HashPrefix, bytes: Uint8Array): Promise<BlockKey> | BlockKey {
    if (bytes.byteLength > this.maxBlockSize) {
      throw new BlockTooLargeError(`A block has ${bytes.byteLength} bytes, at most ${this.maxBlockSize} are accepted`)
    }

    const algorithm = this.#algorithms.get(hash)

    if (algorithm == null || digestLength < MIN_DIGEST_LENGTH || digestLength > (algorithm.maxDigest ?? digestLength)) {
      throw new UnacceptableHashError(`A block comes with ${digestLength} bytes of hash function 0x${hash.toString(16)}, which bytes are not trusted by`)
    }

    const remembered = this.#recall(algorithm, bytes, digestLength)
    const digest = remembered ?? this.#hash(algorithm, bytes, digestLength)
    const named = (digest: Uint8Array): BlockKey => {
      this.#memo.set(bytes, { code: algorithm.code, digest, length: bytes.byteLength })
      return multihashKey(toDigest(algorithm, digest, digestLength))
    }

    return digest instanceof Uint8Array ? named(digest) : digest.then(named)
  }

  hashers (): MultihashHasher[] {
    return [...this.#algorithms.values()].map((algorithm) => this.#hasher(algorithm))
  }

  /** The algorithm of a CID whose digest is long enough, and not longer than the algorithm's */
  #algorithm (cid: CID): Algorithm {
    const { code, digest } = cid.multihash
    const algorithm = this.#algorithms.get(code)

    if (algorithm == null) {
      const advice = code === SHA1_CODE ? 'sha1 is broken, set allowSha1 to accept it all the same' : `accepted are ${[...this.#algorithms.values()].map((a) => a.name).join(', ')}`
      throw new UnacceptableHashError(`The CID ${quote(cid)} uses hash function 0x${code.toString(16)}: ${advice}`)
    }

    if (digest.byteLength < MIN_DIGEST_LENGTH) {
      throw new UnacceptableHashError(`The CID ${quote(cid)} has only ${digest.byteLength} bytes of ${algorithm.name} digest, at least ${MIN_DIGEST_LENGTH} are needed to trust bytes by it`)
    }

    if (algorithm.maxDigest != null && digest.byteLength > algorithm.maxDigest) {
      throw new UnacceptableHashError(`The CID ${quote(cid)} has ${digest.byteLength} bytes of ${algorithm.name} digest, which never has more than ${algorithm.maxDigest}`)
    }

    return algorithm
  }

  #recall (algorithm: Algorithm, bytes: Uint8Array, length: number): Uint8Array | undefined {
    const entry = this.#memo.get(bytes)

    if (entry?.code !== algorithm.code || entry.length !== bytes.byteLength || entry.digest.byteLength < length) {
      return undefined
    }

    return entry.digest
  }

  #hash (algorithm: Algorithm, bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array> {
    this.#hashed++

    try {
      const digest = algorithm.hash(bytes, length)
      return digest instanceof Uint8Array ? digest : digest.catch((err: unknown) => { throw unhashed(algorithm, err) })
    } catch (err) {
      throw unhashed(algorithm, err)
    }
  }

  #hasher (algorithm: Algorithm): MultihashHasher {
    const full = (bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array> =>
      this.#recall(algorithm, bytes, length) ?? this.#hash(algorithm, bytes, length)

    return {
      name: algorithm.name,
      code: algorithm.code,
      encode: (bytes) => map(full(bytes, 0), (digest) => new Uint8Array(digest)),
      digest: (bytes, options) => {
        const length = options?.truncate

        if (length != null && (length < MIN_DIGEST_LENGTH || length > (algorithm.maxDigest ?? length))) {
          throw new UnacceptableHashError(`A ${algorithm.name} digest of ${length} bytes was asked for, it must have ${MIN_DIGEST_LENGTH} to ${algorithm.maxDigest ?? 'its full number'}`)
        }

        return map(full(bytes, length ?? 0), (digest) => toDigest(algorithm, digest, length))
      }
    }
  }
}

function toDigest (algorithm: Algorithm, digest: Uint8Array, length: number | undefined): MultihashDigest {
  if (length != null && digest.byteLength < length) {
    throw new UnacceptableHashError(`A ${algorithm.name} digest of ${length} bytes was asked for, it has ${digest.byteLength}`)
  }

  // a copy: what is remembered must not be reachable from outside
  return Digest.create(algorithm.code, new Uint8Array(digest.subarray(0, length)))
}

function map<T> (value: Uint8Array | Promise<Uint8Array>, fn: (digest: Uint8Array) => T): T | Promise<T> {
  return value instanceof Uint8Array ? fn(value) : value.then(fn)
}

function blockSize (value: number): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > MAX_MAX_BLOCK_SIZE) {
    throw new InvalidOptionError(`maxBlockSize must be a whole number of bytes from 1 to ${MAX_MAX_BLOCK_SIZE}, got ${quote(value)}`)
  }

  return value
}
