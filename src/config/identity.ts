import { join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { IdentityError } from './errors.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import type { PrivateKey } from '@libp2p/interface'

/** The identity of a node within its store directory */
export const IDENTITY_FILE = 'identity.key'

/**
 * The node's private key: read from the store directory, made on the first
 * start. A key that others could read, or that cannot be read, is an error and
 * never replaced: the identity may be worth more to its owner than a start.
 */
export async function loadIdentity (directory: string): Promise<PrivateKey> {
  const path = join(directory, IDENTITY_FILE)
  const file = await readPrivateFile(path)

  if (file == null) {
    const key = await generateKeyPair('Ed25519')
    await writePrivateFile(path, `${toString(privateKeyToProtobuf(key), 'base64pad')}\n`)
    return key
  }
  if (file.loose) {
    throw new IdentityError(`other users of this machine can read the identity key ${path}; if none of them has, run: chmod 600 '${path}'; otherwise move the file away, and the next start makes a new identity`)
  }
  try {
    return privateKeyFromProtobuf(fromString(file.text.trim(), 'base64pad'))
  } catch (err) {
    throw new IdentityError(`the identity key ${path} is corrupt (${(err as Error).message}); restore it from a backup, or move the file away, and the next start makes a new identity`, { cause: err })
  }
}
