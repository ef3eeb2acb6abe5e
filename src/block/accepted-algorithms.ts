import { InvalidOptionError } from '../interface/errors.ts'
import { BLAKE3_CODE, BLAKE3_DIGEST, IDENTITY_CODE, SHA1_CODE, SHA256_CODE, sha1Algorithm, strongAlgorithms } from './hashes.ts'
import type { Algorithm } from './hashes.ts'
import type { BlockVerifierInit } from './verify.ts'

/** The hash functions that bytes are trusted by, by their multicodec */
export function acceptedAlgorithms (init: Pick<BlockVerifierInit, 'allowSha1' | 'hashers' | 'sha256'>): Map<number, Algorithm> {
  const result = new Map(strongAlgorithms.map((algorithm) => [algorithm.code, algorithm]))

  const { sha256 } = init

  if (sha256 != null) {
    if (typeof sha256 !== 'function') {
      throw new InvalidOptionError('sha256 must be a function from bytes to their digest')
    }

    const known = result.get(SHA256_CODE)
    if (known != null) {
      result.set(SHA256_CODE, { ...known, hash: (bytes) => sha256(bytes) })
    }
  }

  if (init.allowSha1 === true) {
    result.set(SHA1_CODE, sha1Algorithm)
  }

  for (const [index, hasher] of (init.hashers ?? []).entries()) {
    if (!Number.isSafeInteger(hasher?.code) || typeof hasher.name !== 'string' || typeof hasher.encode !== 'function') {
      throw new InvalidOptionError(`hashers[${index}] must be a multihash hasher with name, code and encode`)
    }

    if (hasher.code === IDENTITY_CODE || (hasher.code === SHA1_CODE && init.allowSha1 !== true)) {
      throw new InvalidOptionError(`hashers[${index}] must not be ${hasher.code === SHA1_CODE ? 'sha1, unless allowSha1 is set' : 'the identity, which hashes nothing'}`)
    }

    result.set(hasher.code, {
      name: hasher.name,
      code: hasher.code,
      // a hasher gives one length: the longer digests of blake3 are ours alone
      maxDigest: hasher.code === BLAKE3_CODE ? BLAKE3_DIGEST : result.get(hasher.code)?.maxDigest,
      hash: (bytes) => hasher.encode(bytes)
    })
  }

  return result
}
