import { pathToFileURL } from 'node:url'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { BITSWAP_PROTOCOLS, MAX_MESSAGE_SIZE } from '../../../src/exchange/bitswap/message.ts'
import { BitswapMessageError } from '../../../src/exchange/bitswap/message-error.ts'
import { FrameReader, decodeMessage } from '../../../src/exchange/bitswap/frame-reader.ts'
import { MAX_ENTRIES } from '../../../src/exchange/bitswap/message-entries.ts'
import { blockKey } from '../../../src/block/key.ts'
import { encodeMessage, messageLength } from '../../../src/exchange/bitswap/encode-message.ts'
import { fc, outgoingMessages } from './messages.ts'
import type { BitswapMessage, BitswapProtocol, OutgoingMessage } from '../../../src/exchange/bitswap/message.ts'
import type { MessageFault } from '../../../src/exchange/bitswap/message-error.ts'

const MODERN: BitswapProtocol = '/ipfs/bitswap/1.2.0'
const RAW = 0x55
const SHA256 = 0x12

function cidOf (byte: number, code = RAW, length = 32, hash = SHA256): CID {
  return CID.createV1(code, Digest.create(hash, new Uint8Array(length).fill(byte)))
}

function joined (pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces))
}

function read (frames: Uint8Array, sizes: readonly number[] = [frames.byteLength]): BitswapMessage[] {
  const messages: BitswapMessage[] = []
  const reader = new FrameReader()

  for (let at = 0, i = 0; at < frames.byteLength; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1)
    reader.push(frames.subarray(at, at + size), message => messages.push(message))
    at += size
  }
  reader.end()
  return messages
}

function faultOf (fn: () => unknown): MessageFault {
  try {
    fn()
  } catch (error) {
    expect(error).toBeInstanceOf(BitswapMessageError)
    return (error as BitswapMessageError).reason
  }
  throw new Error('nothing was thrown')
}

/** What should arrive of what was sent */
function arriving (message: OutgoingMessage, protocol: BitswapProtocol): unknown {
  const modern = protocol === MODERN
  return {
    full: message.full ?? false,
    wants: (message.wants ?? []).filter(want => modern || want.type === 'block' || want.cancel === true).map(want => ({
      cid: want.cid.toString(),
      key: blockKey(want.cid),
      type: modern ? want.type : 'block',
      priority: want.priority,
      cancel: want.cancel ?? false,
      sendDontHave: modern && (want.sendDontHave ?? false)
    })),
    blocks: (message.blocks ?? []).map(({ cid, bytes }) => ({
      prefix: protocol === '/ipfs/bitswap/1.0.0'
        ? { version: 0, codec: 0x70, hash: SHA256, digestLength: 32 }
        : { version: cid.version, codec: cid.code, hash: cid.multihash.code, digestLength: cid.multihash.digest.byteLength },
      bytes: [...bytes]
    })),
    presences: modern ? (message.presences ?? []).map(({ cid, type }) => ({ cid: cid.toString(), key: blockKey(cid), type })) : [],
    pendingBytes: modern ? message.pendingBytes ?? 0 : 0
  }
}

function plain (message: BitswapMessage): unknown {
  return {
    full: message.full,
    wants: message.wants.map(want => ({ ...want, cid: want.cid.toString() })),
    blocks: message.blocks.map(({ prefix, bytes }) => ({ prefix, bytes: [...bytes] })),
    presences: message.presences.map(presence => ({ ...presence, cid: presence.cid.toString() })),
    pendingBytes: message.pendingBytes
  }
}

describe('a message', () => {
  it.each(BITSWAP_PROTOCOLS)('comes out as it went in, in whatever pieces it arrives, in %s', protocol => {
    fc.assert(fc.property(fc.array(outgoingMessages(), { maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }), (messages, sizes) => {
      const encoded = messages.map(message => encodeMessage(message, protocol))
      const arrived = read(joined(encoded.flat()), sizes)
      const expected = messages.filter((_, i) => encoded[i]?.length !== 0)

      expect(arrived.map(plain)).toEqual(expected.map(message => arriving(message, protocol)))
    }))
  })

  it('has the length that is foretold', () => {
    fc.assert(fc.property(outgoingMessages(), fc.constantFrom(...BITSWAP_PROTOCOLS), (message, protocol) => {
      const bytes = joined(encodeMessage(message, protocol))
      const prefix = bytes.findIndex(byte => byte < 0x80) + 1
      expect(bytes.byteLength === 0 || bytes.byteLength - prefix === messageLength(message, protocol)).toBe(true)
    }))
  })

  it('is read by Helia as it was written, and the other way round', async () => {
    const pb = await import(pathToFileURL('node_modules/@helia/bitswap/dist/src/pb/message.js').href) as HeliaCodec

    fc.assert(fc.property(outgoingMessages(), message => {
      const frame = joined(encodeMessage(message, MODERN))
      fc.pre(frame.byteLength > 0)
      const bytes = frame.subarray(frame.findIndex(byte => byte < 0x80) + 1)
      const theirs = pb.BitswapMessage.decode(bytes)

      expect(theirs.wantlist?.entries.length).toBe(message.wants?.length ?? 0)
      expect(theirs.wantlist?.entries.map(entry => entry.priority)).toEqual((message.wants ?? []).map(want => want.priority))
      expect(theirs.blocks.map(block => [...block.data])).toEqual((message.blocks ?? []).map(block => [...block.bytes]))
      expect(plain(decodeMessage(pb.BitswapMessage.encode(theirs)))).toEqual(plain(decodeMessage(bytes)))
    }))
  })

  it('carries blocks without copying them, and gives each memory of its own', () => {
    const blocks = [1, 2].map(byte => ({ cid: cidOf(byte), bytes: new Uint8Array(1000).fill(byte) }))
    const pieces = encodeMessage({ blocks }, MODERN)
    expect(pieces.filter(piece => blocks.some(({ bytes }) => bytes === piece))).toHaveLength(2)

    for (const { bytes } of read(joined(pieces))[0]?.blocks ?? []) {
      expect(bytes.byteLength).toBe(1000)
      expect(bytes.buffer.byteLength).toBe(1000)
    }
  })

  it('says nothing where nothing is to be said, and an empty frame is no message', () => {
    const have = [{ cid: cidOf(1), type: 'have' as const, priority: 1 }]
    expect(encodeMessage({}, MODERN)).toEqual([])
    expect(encodeMessage({ wants: have, presences: [{ cid: cidOf(1), type: 'have' }] }, '/ipfs/bitswap/1.1.0')).toEqual([])
    expect(read(Uint8Array.of(0, 0, 0))).toEqual([])
  })

  it('is not written when a peer would refuse it', () => {
    const block = { cid: cidOf(1), bytes: new Uint8Array(MAX_MESSAGE_SIZE) }
    expect(faultOf(() => encodeMessage({ blocks: [block] }, MODERN))).toBe('too-large')
  })

  it('may have its prefix behind the bytes, fields that nobody knows, and an empty block', () => {
    const message = decodeMessage(Uint8Array.of(
      0x1a, 10, 0x12, 2, 7, 8, 0x0a, 4, 1, RAW, SHA256, 32,
      0x1a, 6, 0x0a, 4, 1, RAW, SHA256, 32,
      0x7a, 3, 1, 2, 3, 0x78, 0xff, 1, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4,
      0x0a, 4, 0x1a, 2, 9, 9))
    expect(message.blocks.map(({ bytes }) => [...bytes])).toEqual([[7, 8], []])
  })
})

interface HeliaCodec {
  BitswapMessage: {
    encode (message: unknown): Uint8Array
    decode (bytes: Uint8Array): { wantlist?: { entries: Array<{ priority: number }> }, blocks: Array<{ data: Uint8Array }> }
  }
}

describe('a block that is not wanted', () => {
  it('is skipped without a byte of it being kept, and what follows is read', () => {
    const asked: Array<[number, number]> = []
    const frame = joined(encodeMessage({
      blocks: [{ cid: cidOf(1), bytes: new Uint8Array(5000) }, { cid: cidOf(2, RAW, 20, 0x13), bytes: new Uint8Array(10).fill(9) }],
      pendingBytes: 7
    }, MODERN))
    const blocks: Uint8Array[] = []
    let progress = 0
    const reader = new FrameReader({
      accept: (prefix, length) => {
        asked.push([prefix.hash, length])
        return prefix.hash === 0x13
      },
      progress: bytes => { progress += bytes },
      block: ({ bytes }) => { blocks.push(bytes) }
    })
    let message: BitswapMessage | undefined
    reader.push([frame.subarray(0, 40), frame.subarray(40)], m => { message = m })

    expect(asked).toEqual([[SHA256, 5000], [0x13, 10]])
    expect(blocks.map(bytes => [...bytes])).toEqual([[...new Uint8Array(10).fill(9)]])
    expect(progress).toBe(10)
    expect(message?.pendingBytes).toBe(7)
    expect(message?.blocks).toEqual([])
  })

  it('is judged too when its prefix comes behind it', () => {
    const bytes = Uint8Array.of(0x1a, 10, 0x12, 2, 7, 8, 0x0a, 4, 1, RAW, SHA256, 32)
    expect(decodeMessage(bytes, { accept: (_, length) => length !== 2 }).blocks).toEqual([])
  })
})

describe('what is refused', () => {
  const varint = (value: number): number[] => value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]
  const frame = (...body: number[]): Uint8Array => Uint8Array.from([...varint(body.length), ...body])
  const want = (...cid: number[]): number[] => {
    const entry = [0x0a, ...varint(cid.length), ...cid]
    const list = [0x0a, ...varint(entry.length), ...entry]
    return [0x0a, ...varint(list.length), ...list]
  }

  it.each<[string, MessageFault, Uint8Array]>([
    ['a length of 1 TiB', 'length', Uint8Array.from(varint(2 ** 40))],
    ['an endless length', 'length', new Uint8Array(64).fill(0xff)],
    ['a length that is written too long', 'length', Uint8Array.of(0x81, 0x00, 0)],
    ['a length above 4 MiB', 'too-large', Uint8Array.from(varint(MAX_MESSAGE_SIZE + 1))],
    ['a want-list of more than 1 MiB', 'too-large', Uint8Array.from([...varint(3_000_000), 0x0a, ...varint(2_000_000)])],
    ['an endless number', 'varint', frame(0x28, ...new Array<number>(10).fill(0xff), 1)],
    ['an endless key', 'varint', frame(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)],
    ['an endless number in a want', 'varint', frame(0x0a, 15, 0x0a, 13, 0x10, ...new Array<number>(11).fill(0xff), 1)],
    ['a field longer than its message', 'truncated', frame(0x0a, 5, 1)],
    ['a field of 4 GiB', 'truncated', frame(0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ['bytes longer than their block', 'truncated', frame(0x1a, 3, 0x12, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a message that ends in a key', 'truncated', frame(0xff)],
    ['a message that ends behind a key', 'truncated', frame(0x28)],
    ['a group', 'wire-type', frame(0x7b, 0x7c)],
    ['a want-list that is a number', 'wire-type', frame(0x08, 1)],
    ['pending bytes that are text', 'wire-type', frame(0x2a, 1, 1)],
    ['field 0', 'field', frame(0x02, 0)],
    ['two prefixes', 'field', frame(0x1a, 12, 0x0a, 4, 1, 0x55, 0x12, 32, 0x0a, 4, 1, 0x55, 0x12, 32)],
    ['a block without a prefix', 'prefix', frame(0x1a, 3, 0x12, 1, 7)],
    ['an empty block without a prefix', 'prefix', frame(0x1a, 0)],
    ['a prefix of three numbers', 'prefix', frame(0x1a, 5, 0x0a, 3, 1, 0x55, 0x12)],
    ['a prefix of a digest of 129 bytes', 'prefix', frame(0x1a, 7, 0x0a, 5, 1, 0x55, 0x12, 0x81, 1)],
    ['a prefix of version 7', 'prefix', frame(0x1a, 6, 0x0a, 4, 7, 0x55, 0x12, 32)],
    ['a want without a CID', 'cid', frame(0x0a, 4, 0x0a, 2, 0x10, 1)],
    ['a want for nonsense', 'cid', frame(...want(1, 2, 3))],
    ['a want with an empty CID', 'cid', frame(...want())],
    ['a presence without a CID', 'cid', frame(0x22, 2, 0x10, 1)],
    ['a digest of 129 bytes', 'cid', frame(...want(...CID.createV1(RAW, Digest.create(0x1e, new Uint8Array(129))).bytes))],
    ['an identity CID of 1 KiB', 'cid', frame(...want(...CID.createV1(RAW, Digest.create(0, new Uint8Array(1024))).bytes))]
  ])('%s: %s', (_, reason, bytes) => {
    expect(faultOf(() => read(bytes))).toBe(reason)
    expect(faultOf(() => read(bytes, [1]))).toBe(reason)
  })

  it('more wants, presences or blocks than one message may have', () => {
    const cid = cidOf(1)
    const many = MAX_ENTRIES + 1
    const wants = new Array(many).fill({ cid, type: 'block', priority: 1 })
    const presences = new Array(many).fill({ cid, type: 'have' })
    const blocks = new Array(many).fill({ cid, bytes: new Uint8Array(1) })

    for (const message of [{ wants }, { presences }, { blocks }]) {
      expect(faultOf(() => read(joined(encodeMessage(message, MODERN))))).toBe('too-many')
    }
  })

  it('a stream that ends early, wherever that is', () => {
    const whole = joined(encodeMessage({ wants: [{ cid: cidOf(1), type: 'block', priority: 1 }], blocks: [{ cid: cidOf(2), bytes: new Uint8Array(200) }] }, MODERN))

    for (let length = 1; length < whole.byteLength; length++) {
      expect(faultOf(() => read(whole.subarray(0, length)))).toBe('truncated')
    }
  })
})

describe('any bytes', () => {
  const survives = (bytes: Uint8Array): void => {
    let kept = 0
    try {
      for (const { blocks } of read(bytes, [7, 64, 1])) {
        kept += blocks.reduce((sum, block) => sum + block.bytes.byteLength, 0)
      }
    } catch (error) {
      expect(error).toBeInstanceOf(BitswapMessageError)
    }
    expect(kept).toBeLessThanOrEqual(bytes.byteLength)
  }

  it('are messages or a named error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), survives), { numRuns: 2000 })
  })

  it('are so too behind a length that fits them', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), body => { survives(Uint8Array.from([body.byteLength, ...body])) }), { numRuns: 2000 })
  })

  it('are so too when they were once a message', () => {
    fc.assert(fc.property(outgoingMessages(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (message, changes) => {
      const bytes = joined(encodeMessage(message, MODERN))
      fc.pre(bytes.byteLength > 0)
      for (const [at, value] of changes) {
        bytes[at % bytes.byteLength] = value
      }
      survives(bytes)
    }), { numRuns: 2000 })
  })

  it('cost no more memory than they are long, whatever they claim', () => {
    // a want-list and a block without a prefix, each claiming what a message may have: nothing of it has arrived
    const readers: FrameReader[] = []
    const before = process.memoryUsage().arrayBuffers

    for (let i = 0; i < 200; i++) {
      for (const start of [[0x80, 0x80, 0x80, 0x02, 0x0a, 0xff, 0xff, 0x3f], [0x80, 0x80, 0x80, 0x02, 0x1a, 0xf0, 0xff, 0xff, 0x01, 0x12, 0xe0, 0xff, 0xff, 0x01]]) {
        const reader = new FrameReader()
        reader.push(Uint8Array.from([...start, 1]), () => {})
        expect(reader.partial).toBe(true)
        readers.push(reader)
      }
    }

    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
    expect(readers).toHaveLength(400)
  })
})
