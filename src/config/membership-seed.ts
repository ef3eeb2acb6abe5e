import { join } from 'node:path'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { memberIdentity, randomSeed, SEED_BYTES } from '../privacy/proofs/member-identity.ts'
import { IdentityError } from './errors.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import type { MemberIdentity } from '../privacy/proofs/member-identity.ts'

/** What a node proves its membership with, within its store directory */
export const MEMBERSHIP_FILE = 'membership.seed'

/**
 * The secret of the node's membership: read from the store directory, made at
 * first use from randomness of its own and not from the node's key. One that
 * others could read, or that cannot be read, is an error and never replaced:
 * groups have its commitment.
 */
export async function loadMemberIdentity (directory: string): Promise<MemberIdentity> {
  const path = join(directory, MEMBERSHIP_FILE)
  let file = await readPrivateFile(path)

  if (file == null) {
    await writePrivateFile(path, `${toString(randomSeed(), 'base64pad')}\n`)
    // two may have written at once: the one that is there is the one that counts
    file = await readPrivateFile(path)
  }
  if (file == null) {
    throw new IdentityError(`the seed of the membership ${path} was removed while it was made; try again`)
  }
  if (file.loose) {
    throw new IdentityError(`other users of this machine can read the seed of the membership ${path}; if none of them has, run: chmod 600 '${path}'; otherwise move the file away, publish a new commitment, and have the old one taken out of its groups`)
  }

  let seed: Uint8Array
  try {
    seed = fromString(file.text.trim(), 'base64pad')
  } catch (err) {
    throw corrupt(path, (err as Error).message, err)
  }
  if (seed.byteLength !== SEED_BYTES) {
    throw corrupt(path, `it has ${seed.byteLength} bytes and not ${SEED_BYTES}`)
  }
  return memberIdentity(seed)
}

function corrupt (path: string, why: string, cause?: unknown): IdentityError {
  return new IdentityError(`the seed of the membership ${path} is corrupt (${why}); restore it from a backup, or move the file away and publish a new commitment`, { cause })
}
