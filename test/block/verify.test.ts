import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { from } from 'multiformats/hashes/hasher'
import { fromString } from 'uint8arrays/from-string'
import { beforeEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { blockVerifier } from '../../src/block/verify.ts'
import type { BlockVerifier, BlockVerifierInit, VerifyOptions } from '../../src/block/verify.ts'

const RAW = 0x55

function cidOf (code: number, digest: Uint8Array): CID {
  return CID.createV1(RAW, Digest.create(code, digest))
}

function native (algorithm: string): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => Uint8Array.from(createHash(algorithm).update(bytes).digest())
}

const sha256 = native('sha256')

/** Computed by OpenSSL, independently of what is tested */
const NATIVE: ReadonlyArray<readonly [string, number, (bytes: Uint8Array) => Uint8Array]> = [
  ['sha2-256', 0x12, sha256],
  ['sha2-512', 0x13, native('sha512')],
  ['sha3-512', 0x14, native('sha3-512')],
  ['sha3-384', 0x15, native('sha3-384')],
  ['sha3-256', 0x16, native('sha3-256')],
  ['sha3-224', 0x17, native('sha3-224')],
  ['dbl-sha2-256', 0x56, (bytes) => sha256(sha256(bytes))]
]

/** What OpenSSL lacks, from the published vectors: Keccak team, BLAKE2 (as Python's hashlib gives), BLAKE3 test_vectors.json */
const PUBLISHED: ReadonlyArray<readonly [string, number, string, string]> = [
  ['keccak-256', 0x1b, '', 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'],
  ['keccak-256', 0x1b, 'abc', '4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45'],
  ['blake2b-256', 0xb220, '', '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
  ['blake2b-256', 0xb220, 'abc', 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319'],
  ['blake3', 0x1e, '', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  ['blake3', 0x1e, 'abc', '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85'],
  ['blake3 of 128 bytes', 0x1e, '', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262e00f03e7b69af26b7faaf09fcd333050338ddfe085b8cc869ca98b206c08243a26f5487789e8f660afe6c99ef9e0c52b92e7393024a80459cf91f476f9ffdbda7001c22e159b402631f277ca96f2defdf1078282314e763699a31c5363165421']
]

function failure (fn: () => unknown): Error {
  try {
    fn()
  } catch (err) {
    return err as Error
  }

  throw new Error('it was accepted')
}

/** Accepted, and at once */
function accept (verifier: BlockVerifier, cid: CID, bytes: Uint8Array, options?: VerifyOptions): void {
  expect(verifier.verify(cid, bytes, options)).toBeUndefined()
}

const text = (s: string): Uint8Array => fromString(s)
const HELLO = text('hello')
const HELLO_CID = cidOf(0x12, sha256(HELLO))

describe('accepted hash functions', () => {
  it.each(NATIVE)('%s agrees with OpenSSL, and no digest of another block passes', (_, code, hash) => {
    const verifier = blockVerifier()

    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      accept(verifier, cidOf(code, hash(bytes)), bytes)
    }), { numRuns: 30 })
    expect(failure(() => verifier.verify(cidOf(code, hash(HELLO)), text('hellp'))).name).toBe('HashMismatchError')
  })

  it.each(PUBLISHED)('%s (0x%i) of "%s" is as published', (_, code, input, digest) => {
    const verifier = blockVerifier()
    const cid = cidOf(code, fromString(digest, 'base16'))

    accept(verifier, cid, text(input))
    expect(failure(() => verifier.verify(cid, text(`${input}.`))).name).toBe('HashMismatchError')
  })

  it('verifies synchronously where the hash function is synchronous', () => {
    expect(blockVerifier().verify(HELLO_CID, HELLO)).toBeUndefined()
  })

  it('accepts sha1 only when told to', () => {
    const cid = cidOf(0x11, native('sha1')(HELLO))

    expect(failure(() => { blockVerifier().check(cid) })).toMatchObject({ name: 'UnacceptableHashError', message: expect.stringContaining('allowSha1') })
    expect(failure(() => blockVerifier().verify(cid, HELLO)).name).toBe('UnacceptableHashError')
    accept(blockVerifier({ allowSha1: true }), cid, HELLO)
    expect(failure(() => blockVerifier({ allowSha1: true }).verify(cid, text('hellp'))).name).toBe('HashMismatchError')
  })

  it.each([
    ['md5', 0xd5, 16], ['murmur3-x64-64', 0x22, 8], ['sha2-384', 0x20, 48], ['shake-128', 0x18, 32], ['one that nobody knows', 0x3fffff, 32]
  ])('refuses %s and lists what it accepts', (_, code, length) => {
    const error = failure(() => { blockVerifier().check(cidOf(code, new Uint8Array(length))) })

    expect(error.name).toBe('UnacceptableHashError')
    expect(error.message).toContain(`0x${code.toString(16)}`)
    expect(error.message).toContain('sha2-256, sha2-512')
  })

  it('accepts digests cut to 20 bytes or more, and no shorter ones', () => {
    const verifier = blockVerifier()

    for (const [, code, hash] of NATIVE) {
      const digest = hash(HELLO)

      for (let length = 0; length <= digest.byteLength; length++) {
        const cid = cidOf(code, digest.slice(0, length))

        if (length < 20) {
          expect(failure(() => verifier.verify(cid, Uint8Array.from(HELLO))).message).toMatch(/at least 20/)
        } else {
          accept(verifier, cid, Uint8Array.from(HELLO))
        }
      }
    }
  })

  it('refuses a digest longer than the function gives', () => {
    const error = failure(() => { blockVerifier().check(cidOf(0x12, new Uint8Array(33))) })

    expect(error).toMatchObject({ name: 'UnacceptableHashError', message: expect.stringContaining('never has more than 32') })
    expect(failure(() => { blockVerifier().check(cidOf(0x1e, new Uint8Array(129))) }).name).toBe('UnacceptableHashError')
  })
})

describe('identity CIDs', () => {
  it('are answered from the CID', () => {
    const verifier = blockVerifier()
    const cid = cidOf(0, HELLO)

    expect(verifier.identity(cid)).toEqual(HELLO)
    expect(verifier.identity(HELLO_CID)).toBeUndefined()
    accept(verifier, cid, HELLO)
    expect(verifier.hashed).toBe(0)
  })

  it('are compared in whole', () => {
    const verifier = blockVerifier()

    expect(failure(() => verifier.verify(cidOf(0, HELLO), text('hello world'))).name).toBe('HashMismatchError')
    expect(failure(() => verifier.verify(cidOf(0, HELLO), text('hell'))).name).toBe('HashMismatchError')
    accept(verifier, cidOf(0, new Uint8Array(0)), new Uint8Array(0))
  })

  it('carry at most 128 bytes', () => {
    const verifier = blockVerifier()

    expect(verifier.identity(cidOf(0, new Uint8Array(128)))).toHaveLength(128)

    for (const call of [() => verifier.identity(cidOf(0, new Uint8Array(129))), () => { verifier.check(cidOf(0, new Uint8Array(129))) }]) {
      expect(failure(call)).toMatchObject({ name: 'UnacceptableHashError', message: expect.stringContaining('carries 129 bytes, at most 128') })
    }
  })
})

describe('verify', () => {
  it('refuses every change of the bytes', () => {
    const changed = fc.uint8Array({ minLength: 1, maxLength: 300 }).chain((bytes) => fc.record({
      bytes: fc.constant(bytes),
      at: fc.nat({ max: bytes.byteLength - 1 }),
      by: fc.integer({ min: 1, max: 255 }),
      how: fc.constantFrom<'flip' | 'cut' | 'grow' | 'drop'>('flip', 'cut', 'grow', 'drop')
    }))

    for (const [, code, hash] of NATIVE) {
      const verifier = blockVerifier()

      fc.assert(fc.property(changed, ({ bytes, at, by, how }) => {
        const other = how === 'flip'
          ? bytes.map((byte, i) => i === at ? byte ^ by : byte)
          : how === 'cut'
            ? bytes.slice(0, at)
            : how === 'grow'
              ? Uint8Array.from([...bytes, by])
              : bytes.filter((_, i) => i !== at)

        expect(failure(() => verifier.verify(cidOf(code, hash(bytes)), other)).name).toBe('HashMismatchError')
      }), { numRuns: 30 })
    }
  })

  it('says how many bytes came and what they hash to', () => {
    const { message } = failure(() => blockVerifier().verify(HELLO_CID, text('hellp')))

    expect(message).toContain('5 bytes')
    expect(message).toContain(HELLO_CID.toString())
    expect(message).toContain(createHash('sha256').update('hellp').digest('hex'))
    expect(message).toContain(createHash('sha256').update('hello').digest('hex'))
  })

  it('says that a block is empty, unless it should be', () => {
    const empty = new Uint8Array(0)

    expect(failure(() => blockVerifier().verify(HELLO_CID, empty))).toMatchObject({ name: 'HashMismatchError', message: expect.stringContaining('empty') })
    accept(blockVerifier(), cidOf(0x12, sha256(empty)), empty)
  })

  it('says when there are no bytes at all', () => {
    for (const value of [undefined, null, 'hello', [1], new ArrayBuffer(2)]) {
      expect(failure(() => blockVerifier().verify(HELLO_CID, value as unknown as Uint8Array)).name).toBe('HashMismatchError')
    }
  })

  it('refuses a block over the limit before hashing it', () => {
    const verifier = blockVerifier({ maxBlockSize: 4 })
    const four = text('four')

    expect(failure(() => verifier.verify(HELLO_CID, HELLO))).toMatchObject({ name: 'BlockTooLargeError', message: expect.stringMatching(/5 bytes, at most 4/) })
    expect(verifier.hashed).toBe(0)
    accept(verifier, cidOf(0x12, sha256(four)), four)
  })

  it('takes two mebibytes by default and one byte more not', () => {
    const verifier = blockVerifier()
    const bytes = new Uint8Array(2_097_152)

    expect(verifier.maxBlockSize).toBe(2_097_152)
    accept(verifier, cidOf(0x12, sha256(bytes)), bytes)
    expect(failure(() => verifier.verify(HELLO_CID, new Uint8Array(2_097_153))).name).toBe('BlockTooLargeError')
  })

  it('takes another limit for one call', () => {
    const verifier = blockVerifier({ maxBlockSize: 4 })

    accept(verifier, HELLO_CID, HELLO, { maxBlockSize: 5 })
    expect(failure(() => verifier.verify(HELLO_CID, Uint8Array.from(HELLO), { maxBlockSize: 3 })).message).toMatch(/at most 3/)
    expect(failure(() => verifier.verify(HELLO_CID, HELLO, { maxBlockSize: 0 })).name).toBe('InvalidOptionError')
  })

  it('does not look at the codec or the version of the CID', () => {
    const verifier = blockVerifier()

    accept(verifier, CID.createV0(Digest.create(0x12, sha256(HELLO))), Uint8Array.from(HELLO))
    accept(verifier, CID.createV1(0x70, Digest.create(0x12, sha256(HELLO))), Uint8Array.from(HELLO))
  })
})

describe('the memo', () => {
  // one for all verifiers of the process: bytes that no other test has verified
  let HELLO: Uint8Array

  beforeEach(() => {
    HELLO = text('hello')
  })

  it('is shared by all verifiers, but for those that were given hash functions', () => {
    const [first, second, foreign] = [blockVerifier(), blockVerifier(), blockVerifier({ hashers: [from({ name: 'sha2-256', code: 0x12, encode: bytes => Uint8Array.from(sha256(bytes)) })] })]

    accept(first, HELLO_CID, HELLO)
    accept(second, HELLO_CID, HELLO)
    accept(foreign, HELLO_CID, HELLO)
    expect([first.hashed, second.hashed, foreign.hashed]).toEqual([1, 0, 1])
  })

  it('is shared by one that was given the platform\'s sha2-256, which it uses', () => {
    let calls = 0
    const [first, second] = [blockVerifier({ sha256: bytes => { calls++; return sha256(bytes) } }), blockVerifier()]

    accept(first, HELLO_CID, HELLO)
    accept(second, HELLO_CID, HELLO)
    expect([calls, first.hashed, second.hashed]).toEqual([1, 1, 0])
    expect(failure(() => first.verify(HELLO_CID, text('hellp'))).name).toBe('HashMismatchError')
    // @ts-expect-error -- as JavaScript may give it
    expect(failure(() => blockVerifier({ sha256: 'sha256' })).name).toBe('InvalidOptionError')
  })

  it('takes somebody\'s word for bytes, for no other CID and for no digest that was not given', () => {
    const verifier = blockVerifier()

    verifier.vouch(HELLO_CID, HELLO)
    accept(verifier, HELLO_CID, HELLO)
    expect(verifier.hashed).toBe(0)
    expect(failure(() => verifier.verify(cidOf(0x12, sha256(text('x'))), HELLO)).name).toBe('HashMismatchError')
    expect(failure(() => verifier.vouch(cidOf(0x11, sha256(HELLO).slice(0, 20)), HELLO)).name).toBe('UnacceptableHashError')

    const whole = text('hello')
    verifier.vouch(cidOf(0x12, sha256(HELLO).slice(0, 20)), whole)
    accept(verifier, HELLO_CID, whole)
    expect(verifier.hashed).toBe(1)
  })

  it('does not hash the same bytes twice', () => {
    const verifier = blockVerifier()

    for (let i = 0; i < 25; i++) {
      accept(verifier, HELLO_CID, HELLO)
    }

    expect(verifier.hashed).toBe(1)
  })

  it('knows bytes by identity, not by content', () => {
    const verifier = blockVerifier()

    accept(verifier, HELLO_CID, HELLO)
    accept(verifier, HELLO_CID, Uint8Array.from(HELLO))
    accept(verifier, HELLO_CID, HELLO.subarray())
    expect(verifier.hashed).toBe(3)
  })

  it('answers for a shorter digest, another version and another codec of the same hash', () => {
    const verifier = blockVerifier()

    accept(verifier, HELLO_CID, HELLO)
    accept(verifier, cidOf(0x12, sha256(HELLO).slice(0, 20)), HELLO)
    accept(verifier, CID.createV0(Digest.create(0x12, sha256(HELLO))), HELLO)
    expect(verifier.hashed).toBe(1)
  })

  it('does not answer for another CID', () => {
    const verifier = blockVerifier()

    accept(verifier, HELLO_CID, HELLO)
    expect(failure(() => verifier.verify(cidOf(0x12, sha256(text('x'))), HELLO)).name).toBe('HashMismatchError')
    expect(verifier.hashed).toBe(1)
  })

  it('does not answer for another hash function of equal length', () => {
    const verifier = blockVerifier()

    accept(verifier, HELLO_CID, HELLO)
    expect(failure(() => verifier.verify(cidOf(0x16, sha256(HELLO)), HELLO)).name).toBe('HashMismatchError')
    accept(verifier, cidOf(0x16, native('sha3-256')(HELLO)), HELLO)
    expect(verifier.hashed).toBe(3)
  })

  it('hashes again when a view has changed its length', () => {
    const verifier = blockVerifier()
    const buffer = new ArrayBuffer(HELLO.byteLength, { maxByteLength: 64 })
    const view = new Uint8Array(buffer)

    view.set(HELLO)
    accept(verifier, HELLO_CID, view)
    buffer.resize(6)
    expect(failure(() => verifier.verify(HELLO_CID, view)).name).toBe('HashMismatchError')
    expect(verifier.hashed).toBe(2)
  })

  it('does not remember bytes that were wrong: their buffer may be filled again', () => {
    const verifier = blockVerifier()
    const buffer = text('hellp')

    expect(failure(() => verifier.verify(HELLO_CID, buffer)).name).toBe('HashMismatchError')
    buffer.set(HELLO)
    accept(verifier, HELLO_CID, buffer)
    expect(verifier.hashed).toBe(2)
  })

  it('hashes again when more of a blake3 digest is asked for', () => {
    const verifier = blockVerifier()
    const full = fromString(PUBLISHED.at(-1)?.[3] ?? '', 'base16')
    const empty = new Uint8Array(0)

    accept(verifier, cidOf(0x1e, full.slice(0, 32)), empty)
    accept(verifier, cidOf(0x1e, full.slice(0, 64)), empty)
    accept(verifier, cidOf(0x1e, full.slice(0, 24)), empty)
    expect(verifier.hashed).toBe(2)
  })
})

describe('hashers', () => {
  function hasher (verifier: BlockVerifier, code: number): ReturnType<BlockVerifier['hashers']>[number] {
    const found = verifier.hashers().find((hasher) => hasher.code === code)

    if (found == null) {
      throw new Error(`no hasher 0x${code.toString(16)}`)
    }

    return found
  }

  it('are those that are accepted', () => {
    const codes = (init?: BlockVerifierInit): number[] => blockVerifier(init).hashers().map(({ code }) => code).toSorted((a, b) => a - b)

    expect(codes()).toEqual([0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1b, 0x1e, 0x56, 0xb220])
    expect(codes({ allowSha1: true })).toContain(0x11)
  })

  it('answer for verified bytes without hashing', async () => {
    const verifier = blockVerifier()
    const HELLO = text('hello')

    accept(verifier, HELLO_CID, HELLO)
    const whole = await hasher(verifier, 0x12).digest(HELLO)
    const cut = await hasher(verifier, 0x12).digest(HELLO, { truncate: 20 })

    expect(whole.bytes).toEqual(HELLO_CID.multihash.bytes)
    expect(cut.bytes).toEqual(Digest.create(0x12, sha256(HELLO).slice(0, 20)).bytes)
    expect(await hasher(verifier, 0x12).encode(HELLO)).toEqual(sha256(HELLO))
    expect(verifier.hashed).toBe(1)
  })

  it('hash bytes they do not know, and do not remember them', async () => {
    const verifier = blockVerifier()
    const buffer = text('hellp')

    expect((await hasher(verifier, 0x12).digest(buffer)).digest).toEqual(sha256(buffer))
    buffer.set(HELLO)
    expect((await hasher(verifier, 0x12).digest(buffer)).digest).toEqual(sha256(HELLO))
    expect(verifier.hashed).toBe(2)
  })

  it('give away copies: what is remembered cannot be changed through them', async () => {
    const verifier = blockVerifier()
    const HELLO = text('hello')

    accept(verifier, HELLO_CID, HELLO)
    const given = await hasher(verifier, 0x12).digest(HELLO)
    const encoded = await hasher(verifier, 0x12).encode(HELLO)
    given.digest.fill(0)
    encoded.fill(0)
    accept(verifier, HELLO_CID, HELLO)
  })

  it('refuse to cut too short or too long', () => {
    const verifier = blockVerifier()

    for (const truncate of [0, 19, 33]) {
      expect(failure(() => hasher(verifier, 0x12).digest(HELLO, { truncate })).name).toBe('UnacceptableHashError')
    }
  })
})

describe('hashers of the caller', () => {
  const slow = from({ name: 'sha2-384', code: 0x20, encode: async (bytes) => Uint8Array.from(createHash('sha384').update(bytes).digest()) })
  const cid = cidOf(0x20, native('sha384')(HELLO))

  it('are used, also asynchronous ones, and remembered', async () => {
    const verifier = blockVerifier({ hashers: [slow] })

    await verifier.verify(cid, HELLO)
    expect(verifier.verify(cid, HELLO)).toBeUndefined()
    expect(verifier.hashed).toBe(1)
    await expect(verifier.verify(cid, text('hellp'))).rejects.toThrow(expect.objectContaining({ name: 'HashMismatchError' }))
  })

  it('replace the one known here', () => {
    let calls = 0
    const fast = from({ name: 'sha3-256', code: 0x16, encode: (bytes) => { calls++; return Uint8Array.from(createHash('sha3-256').update(bytes).digest()) } })
    const verifier = blockVerifier({ hashers: [fast] })

    accept(verifier, cidOf(0x16, native('sha3-256')(HELLO)), HELLO)
    expect(calls).toBe(1)
  })

  it('that give fewer bytes than the CID has are not the provider\'s fault', async () => {
    const verifier = blockVerifier({ hashers: [slow] })

    await expect(verifier.verify(cidOf(0x20, new Uint8Array(60)), HELLO)).rejects.toThrow(expect.objectContaining({ name: 'UnacceptableHashError' }))
  })

  it('that fail are not the provider\'s fault', async () => {
    const cause = new Error('insecure context')
    const broken = [
      from({ name: 'sha2-384', code: 0x20, encode: () => { throw cause } }),
      from({ name: 'sha2-384', code: 0x20, encode: async () => { throw cause } })
    ]

    for (const hasher of broken) {
      await expect((async () => { await blockVerifier({ hashers: [hasher] }).verify(cid, HELLO) })()).rejects.toThrow(expect.objectContaining({ name: 'UnacceptableHashError', cause }))
    }
  })

  it.each([
    ['nothing', null], ['no code', { name: 'x', encode () {} }], ['no encode', { name: 'x', code: 1 }],
    ['the identity', { name: 'identity', code: 0, encode () {} }], ['sha1', { name: 'sha1', code: 0x11, encode () {} }]
  ])('are refused when they are %s', (_, hasher) => {
    expect(failure(() => blockVerifier({ hashers: [hasher as never] }))).toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('hashers[0]') })
  })
})

describe('options', () => {
  it.each([0, -1, 1.5, NaN, Infinity, 2 ** 30 + 1, '5'])('refuse a maxBlockSize of %s, naming range and value', (maxBlockSize) => {
    const error = failure(() => blockVerifier({ maxBlockSize: maxBlockSize as number }))

    expect(error.name).toBe('InvalidOptionError')
    expect(error.message).toContain('maxBlockSize')
    expect(error.message).toContain('1 to 1073741824')
    expect(error.message).toContain(String(maxBlockSize))
  })
})

describe('identify', () => {
  const prefixOf = ({ multihash: { code, digest } }: CID): { hash: number, digestLength: number } => ({ hash: code, digestLength: digest.byteLength })

  it.each(NATIVE)('names the one block that the bytes are, by %s', async (_, code, hash) => {
    const bytes = fromString('some bytes')
    const cid = cidOf(code, hash(bytes))
    const verifier = blockVerifier()

    expect(await verifier.identify(prefixOf(cid), bytes)).toBe(blockKey(cid))
    await verifier.verify(cid, bytes)
    // one hash in all
    expect(verifier.hashed).toBe(1)
  })

  it('names the block of a shortened digest too', async () => {
    const bytes = fromString('some bytes')
    const cid = cidOf(0x12, sha256(bytes).subarray(0, 20))
    const verifier = blockVerifier()

    expect(await verifier.identify(prefixOf(cid), bytes)).toBe(blockKey(cid))
    await verifier.verify(cid, bytes)
    expect(verifier.hashed).toBe(1)
  })

  it('does not make wrong bytes right', async () => {
    const bytes = fromString('wrong bytes')
    const cid = cidOf(0x12, sha256(fromString('right bytes')))
    const verifier = blockVerifier()

    expect(await verifier.identify(prefixOf(cid), bytes)).not.toBe(blockKey(cid))
    expect(() => verifier.verify(cid, bytes)).toThrow(expect.objectContaining({ name: 'HashMismatchError' }))
  })

  it.each([
    ['the identity', 0, 32, 10], ['an unknown function', 0x7fff, 32, 10], ['sha1', 0x11, 20, 10], ['a digest of 19 bytes', 0x12, 19, 10], ['a digest of 33 bytes', 0x12, 33, 10]
  ])('hashes nothing by %s', (_, hash, digestLength, length) => {
    const verifier = blockVerifier()
    expect(() => verifier.identify({ hash, digestLength }, new Uint8Array(length))).toThrow(expect.objectContaining({ name: 'UnacceptableHashError' }))
    expect(verifier.hashed).toBe(0)
  })

  it('hashes nothing that is too large', () => {
    const verifier = blockVerifier({ maxBlockSize: 10 })
    expect(() => verifier.identify({ hash: 0x12, digestLength: 32 }, new Uint8Array(11))).toThrow(expect.objectContaining({ name: 'BlockTooLargeError' }))
    expect(verifier.hashed).toBe(0)
  })
})
