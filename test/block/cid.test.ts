import fc from 'fast-check'
import { base16, base16upper } from 'multiformats/bases/base16'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36, base36upper } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { MAX_CID_LENGTH, parseCID } from '../../src/block/cid.ts'

const V0 = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG'
const V1 = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

function failure (value: unknown): Error {
  try {
    parseCID(value)
  } catch (err) {
    return err as Error
  }

  throw new Error('it was accepted')
}

const cids = fc.record({
  code: fc.integer({ min: 0, max: 0x7fffffff }),
  hash: fc.integer({ min: 0, max: 0x7fffffff }),
  digest: fc.uint8Array({ maxLength: 128 })
}).map(({ code, hash, digest }) => CID.createV1(code, Digest.create(hash, digest)))

describe('parseCID', () => {
  it('reads both versions', () => {
    expect(parseCID(V0).toString()).toBe(V0)
    expect(parseCID(V1).toString()).toBe(V1)
  })

  it('reads every CID in every base', () => {
    const bases = [base16, base16upper, base32, base32upper, base36, base36upper, base58btc, base64url]

    fc.assert(fc.property(cids, fc.constantFrom(...bases), (cid, base) => {
      expect(parseCID(base.encode(cid.bytes)).equals(cid)).toBe(true)
    }))
  })

  it('returns a CID object as it is', () => {
    const cid = CID.parse(V1)

    expect(parseCID(cid)).toBe(cid)
  })

  it('takes CID objects of other copies of multiformats, of today and of old', () => {
    const { version, code, multihash, bytes } = CID.parse(V1)
    const today = { version, code, multihash, bytes, '/': bytes }
    const old = { version, code, multihash: multihash.bytes, [Symbol.for('@ipld/js-cid/CID')]: true }

    for (const other of [today, old]) {
      expect(parseCID(other)).toBeInstanceOf(CID)
      expect(parseCID(other).toString()).toBe(V1)
    }
  })

  it('believes the bytes of a foreign CID, not the fields beside them', () => {
    const { bytes } = CID.parse(V1)

    expect(parseCID({ version: 1, code: 0x71, multihash: {}, bytes, '/': bytes }).toString()).toBe(V1)
  })

  it.each([
    ['nothing', undefined, /got a value of type undefined/],
    ['null', null, /got null/],
    ['a number', 12, /got a value of type number/],
    ['an array', [V1], /got an array/],
    ['bytes', CID.parse(V1).bytes, /CID\.decode/],
    ['an object', {}, /got a value of type object/],
    ['an empty text', '', /is empty/],
    ['a path', `/ipfs/${V1}`, /is a path or a URL/],
    ['a path without a leading slash', `${V1}/index.html`, /is a path or a URL/],
    ['a URL', `ipfs://${V1}`, /is a path or a URL/],
    ['a new line behind it', `${V1}\n`, /white space/],
    ['another base', '9123', /is not a CID, which looks like bafybei\.\.\. or Qm\.\.\. \(Unable to decode multibase/],
    ['a word', 'hello', /"hello" is not a CID, which looks like/],
    ['a word that begins like a base', 'boat', /"boat" is not a CID, which looks like/],
    ['a truncated CID', V1.slice(0, -8), /is not a CID: cut off or mistyped \(Incorrect length\)/],
    ['a CID one character short', V1.slice(0, -1), /is not a CID: cut off or mistyped \(Unexpected end of data\)/],
    ['a CID one character too long', `${V1}a`, /is not a CID: cut off or mistyped \(/],
    ['a CIDv0 one character short', V0.slice(0, -1), /is not a CID: cut off or mistyped \(Invalid CID version 80\)/],
    ['a mistyped character', `${V1.slice(0, 20)}0${V1.slice(21)}`, /is not a CID: cut off or mistyped \(Non-base32 character\)/],
    ['a CID in another base, cut off', base36.encode(CID.parse(V1).bytes).slice(0, -1), /is not a CID: cut off or mistyped \(/],
    ['a CIDv0 with a base prefix', `z${V0}`, /multibase prefix/],
    ['characters outside the base', 'bafkrei!!!!', /Non-base32 character/],
    ['too much', 'b'.repeat(MAX_CID_LENGTH + 1), /513 characters, at most 512/]
  ])('says what is wrong with %s', (_, value, message) => {
    const error = failure(value)

    expect(error.name).toBe('InvalidCIDError')
    expect(error.message).toMatch(message)
  })

  it('refuses numbers larger than any codec', () => {
    const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
    const codec = Uint8Array.from([1, ...huge, 0x12, 1, 0])
    const hash = Uint8Array.from([1, 0x55, ...huge, 1, 0])
    const length = Uint8Array.from([1, 0x55, 0x12, ...huge, 0])
    const endless = new Uint8Array(100).fill(0xff)

    expect(failure(base32.encode(codec)).message).toMatch(/larger than any that exists/)
    expect(failure(base32.encode(hash)).message).toMatch(/larger than any that exists/)
    expect(failure(base32.encode(length)).name).toBe('InvalidCIDError')
    expect(failure(base32.encode(endless)).message).toMatch(/varint/)
  })

  it('does not print somebody else\'s control characters, nor all of a long text', () => {
    const { message } = failure(`\u001b]0;owned\u0007${'x'.repeat(400)}`)

    expect(message).not.toMatch(/\p{Cc}/u)
    expect(message.length).toBeLessThan(400)
  })

  it('refuses hostile objects by the same error', () => {
    const bytes = 'not bytes'
    const hostile = [
      { bytes, '/': bytes },
      { get '/' () { throw new Error('boo') } },
      { bytes: new Uint8Array(0), '/': null, asCID: 5 },
      Object.create(null),
      new Proxy({}, { get () { throw new TypeError('trap') } })
    ]

    for (const value of hostile) {
      expect(failure(value).name).toBe('InvalidCIDError')
    }
  })

  it('knows that version 0 is a SHA-256, however it is written', () => {
    const bytes = Uint8Array.of(0, 0, 0, 0)
    expect(() => parseCID({ bytes, '/': bytes })).toThrow(/version 0 is a SHA-256/)
  })

  it('answers garbage with a CID or an InvalidCIDError, never anything else', () => {
    const garbage = fc.oneof(
      fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
      fc.string({ unit: 'binary', maxLength: 600 }),
      fc.uint8Array({ maxLength: 80 }).map((bytes) => base32.encode(bytes)),
      fc.uint8Array({ maxLength: 80 }).map((bytes) => base58btc.encode(bytes)),
      fc.uint8Array({ maxLength: 80 }).map((bytes) => ({ bytes, '/': bytes })),
      fc.tuple(fc.nat({ max: V1.length - 1 }), fc.string({ minLength: 1, maxLength: 1 })).map(([at, c]) => V1.slice(0, at) + c + V1.slice(at + 1))
    )

    fc.assert(fc.property(garbage, (value) => {
      try {
        expect(CID.decode(parseCID(value).bytes)).toBeInstanceOf(CID)
      } catch (err) {
        expect((err as Error).name).toBe('InvalidCIDError')
      }
    }), { numRuns: 1_000 })
  })
})
