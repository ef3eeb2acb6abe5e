import { randomFillSync } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

export interface TestBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** A block of random bytes that no other test has seen */
export async function block (size = 1_000): Promise<TestBlock> {
  const bytes = randomFillSync(new Uint8Array(size))
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

export async function blocks (count: number, size = 1_000): Promise<TestBlock[]> {
  return Promise.all(Array.from({ length: count }, async () => block(size)))
}

export async function read (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

/** The name of the error that something ends with */
export async function failure (what: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof what === 'function' ? what() : what)
  } catch (err) {
    return (err as Error).name
  }
  return 'none'
}
