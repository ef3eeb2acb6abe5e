import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeSha256 } from '../../src/cache/native-sha256.ts'

describe('sha2-256 in one call', () => {
  it('is what the hash object says, of any bytes and of a part of an array', () => {
    expect(nativeSha256).toBeTypeOf('function')
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.nat({ max: 64 }), (bytes, from) => {
      const part = bytes.subarray(from)
      expect(nativeSha256?.(part)).toEqual(Uint8Array.from(createHash('sha256').update(part).digest()))
    }))
  })
})
