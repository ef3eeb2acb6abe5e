import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { DEFAULT_MAX_LINKS, linksOf } from '../../src/block/links.ts'

function cid (n: number, code = 0x55): CID {
  return CID.createV1(code, Digest.create(0x12, new Uint8Array(32).fill(n)))
}

function pb (node: dagPb.PBNode): Uint8Array {
  return dagPb.encode(dagPb.prepare(node))
}

const PB = cid(0, 0x70)
const CBOR = cid(0, 0x71)
const JSON_CID = cid(0, 0x0129)

const strings = (links: ReturnType<typeof linksOf>): string[] => links.map(({ cid }) => cid.toString())

describe('links of dag-pb', () => {
  it('have names and the sizes that can be those of one block', () => {
    const bytes = pb({ Links: [{ Hash: cid(1), Name: '', Tsize: 3_000_000 }, { Hash: cid(2, 0x70) }, { Hash: cid(3), Name: 'a', Tsize: 5 }] })

    expect(linksOf(PB, bytes)).toEqual([{ cid: cid(1) }, { cid: cid(2, 0x70) }, { cid: cid(3), name: 'a', size: 5 }])
  })

  it('of a file take the size of raw leaves from the file, not from what Tsize claims', () => {
    const file = new UnixFS({ type: 'file', blockSizes: [100n, 40n] })
    const bytes = pb({ Data: file.marshal(), Links: [{ Hash: cid(1), Tsize: 999 }, { Hash: cid(2, 0x70), Tsize: 54 }] })

    expect(linksOf(PB, bytes).map(({ size }) => size)).toEqual([100, 54])
  })

  it('of a file whose sizes do not fit its links fall back to Tsize', () => {
    const file = new UnixFS({ type: 'file', blockSizes: [100n] })
    const bytes = pb({ Data: file.marshal(), Links: [{ Hash: cid(1), Tsize: 7 }, { Hash: cid(2), Tsize: 8 }] })

    expect(linksOf(PB, bytes).map(({ size }) => size)).toEqual([7, 8])
  })

  it('count without UnixFS too', () => {
    const bytes = pb({ Data: Uint8Array.from([0xff, 0xff, 0xff]), Links: [{ Hash: cid(1), Tsize: 7 }] })

    expect(strings(linksOf(PB, bytes))).toEqual([cid(1).toString()])
  })

  it('take the absurd sizes of a liar for no size', () => {
    const file = new UnixFS({ type: 'file', blockSizes: [2n ** 63n, 0n] })
    const bytes = pb({ Data: file.marshal(), Links: [{ Hash: cid(1), Tsize: Number.MAX_SAFE_INTEGER }, { Hash: cid(2) }] })

    expect(linksOf(PB, bytes)).toEqual([{ cid: cid(1) }, { cid: cid(2) }])
  })

  it('of a CIDv0 block are the same', () => {
    const v0 = CID.createV0(Digest.create(0x12, new Uint8Array(32)))

    expect(linksOf(v0, pb({ Links: [{ Hash: cid(1) }] }))).toEqual([{ cid: cid(1) }])
  })
})

describe('links of documents', () => {
  const document = { a: [cid(1), { b: cid(2) }], c: cid(3), d: new Uint8Array(3), e: null, f: 'text', g: 1.5 }

  it('come in document order, from dag-cbor and dag-json', () => {
    const sorted = [cid(1), cid(2), cid(3)].map(String)

    expect(strings(linksOf(CBOR, dagCbor.encode(document)))).toEqual(sorted)
    expect(strings(linksOf(JSON_CID, dagJson.encode(document)))).toEqual(sorted)
  })

  it('can be the document itself', () => {
    expect(linksOf(CBOR, dagCbor.encode(cid(1)))).toEqual([{ cid: cid(1) }])
  })

  it('are found whatever the shape', () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, fc.nat({ max: 255 }).map((n) => cid(n)), fc.string(), fc.array(tie('tree'), { maxLength: 4 }), fc.dictionary(fc.string({ minLength: 1 }), tie('tree'), { maxKeys: 4 }))
    }))
    const count = (value: unknown): number => CID.asCID(value as CID) != null
      ? 1
      : typeof value === 'object' && value != null ? Object.values(value).reduce<number>((sum, child) => sum + count(child), 0) : 0

    fc.assert(fc.property(tree, (value) => {
      expect(linksOf(CBOR, dagCbor.encode(value))).toHaveLength(count(value))
      expect(linksOf(JSON_CID, dagJson.encode(value))).toHaveLength(count(value))
    }))
  })

  it('are those that the decoders find, text that looks like a link included', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(`{"/":"${cid(1)}"}`, '{"/":"', '"}', '\\', '{', '":"', cid(2).toString()))
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.nat({ max: 255 }).map((n) => cid(n, n % 2 === 0 ? 0x55 : 0x71)),
        text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 300 }), fc.maxSafeInteger(),
        fc.array(tie('tree'), { maxLength: 30 }),
        fc.dictionary(text.filter((key) => key !== '/'), tie('tree'), { maxKeys: 30 })
      )
    }))
    const walk = (value: unknown): string[] => {
      const link = CID.asCID(value as CID)
      return link != null
        ? [link.toString()]
        : typeof value === 'object' && value != null && !(value instanceof Uint8Array) ? Object.values(value).flatMap(walk) : []
    }

    fc.assert(fc.property(tree, (value) => {
      for (const [of, { encode, decode }] of [[CBOR, dagCbor], [JSON_CID, dagJson]] as const) {
        const bytes = encode(value)
        // a decoded object has keys that look like numbers first
        expect(strings(linksOf(of, bytes)).sort()).toEqual(walk(decode(bytes)).sort())
      }
    }))
  })

  it('of dag-json may be written with spaces, and bytes are none', () => {
    expect(strings(linksOf(JSON_CID, new TextEncoder().encode(` [ { "/"\n:\t"${cid(1)}" } , {"/":{"bytes":"AAAA"}}, {"a":"/"} ]`)))).toEqual([cid(1).toString()])
  })

  it.each([
    ['a tag that is no CID', [0xc1, 0x01]],
    ['a CID tag on text', [0xd8, 0x2a, 0x61, 0x61]],
    ['a CID without its zero', [0xd8, 0x2a, 0x43, 1, 0x55, 0]],
    ['a CID that is cut off', [0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x55]],
    ['a length that is not given', [0x9f, 0xff]],
    ['a simple value that it does not have', [0xe0]],
    ['bytes after the document', [0x01, 0x01]],
    ['nothing', []],
    ['a text longer than the block', [0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a map that claims 2^64 entries', [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
  ])('of dag-cbor are none in %s, as the decoder says', (_what, bytes) => {
    expect(() => dagCbor.decode(Uint8Array.from(bytes))).toThrow()
    expect(linksOf(CBOR, Uint8Array.from(bytes))).toEqual([])
  })
})

describe('bounds', () => {
  it('no more links than the limit', () => {
    const many = Array.from({ length: 300 }, (_, i) => cid(i % 256))

    expect(linksOf(CBOR, dagCbor.encode(many), 7)).toHaveLength(7)
    expect(linksOf(PB, pb({ Links: many.map((Hash) => ({ Hash })) }), 7)).toHaveLength(7)
    expect(linksOf(PB, pb({ Links: many.map((Hash) => ({ Hash })) }))).toHaveLength(300)
  })

  it.each([
    ['dag-cbor', CBOR, (links: CID[]) => dagCbor.encode(links)],
    ['dag-json', JSON_CID, (links: CID[]) => dagJson.encode(links)],
    ['dag-pb', PB, (links: CID[]) => pb({ Links: links.map((Hash) => ({ Hash })) })]
  ])('the first links of a %s block with far more are read, and the rest is not looked at', (_codec, of, encode) => {
    const links = Array.from({ length: 20_000 }, (_, i) => cid(i % 256))
    const bytes = encode(links)
    const read = strings(linksOf(of, bytes))
    expect(read).toEqual(links.slice(0, DEFAULT_MAX_LINKS).map(String))

    // nonsense from the middle on changes nothing: it was not reached
    expect(strings(linksOf(of, Uint8Array.from(bytes).fill(0xff, bytes.byteLength / 2)))).toEqual(read)
    // from the beginning it does
    expect(linksOf(of, Uint8Array.from(bytes).fill(0xff, 20))).toEqual([])
  })

  it('the smallest links that a block can hold are no exception', () => {
    const smallest = CID.createV1(0x55, Digest.create(0, new Uint8Array(0)))
    const bytes = pb({ Links: Array.from({ length: 100_000 }, () => ({ Hash: smallest })) })
    expect(bytes.byteLength).toBeLessThan(2_097_152)
    expect(linksOf(PB, bytes)).toHaveLength(DEFAULT_MAX_LINKS)

    // a key may be written in more bytes than it needs: the decoder takes it for the same
    const long = Uint8Array.from([...bytes.subarray(0, 8), 0x92, 0x00, ...bytes.subarray(1)])
    expect(linksOf(PB, long)).toHaveLength(DEFAULT_MAX_LINKS)
    const wrapped = Uint8Array.from([...bytes.subarray(0, 8), 0x92, 0x80, 0x80, 0x80, 0x10, ...bytes.subarray(1)])
    expect(linksOf(PB, wrapped)).toHaveLength(DEFAULT_MAX_LINKS)
  })

  it('a dag-pb node keeps its sizes however many links it has, up to the limit', () => {
    const Links = Array.from({ length: 2_000 }, (_, i) => ({ Hash: cid(i % 256), Tsize: 9 }))
    const node = (count: number): Uint8Array => pb({ Data: new UnixFS({ type: 'file', blockSizes: Array.from({ length: count }, (_, i) => BigInt(i + 1)) }).marshal(), Links: Links.slice(0, count) })
    expect(linksOf(PB, node(2_000)).map(({ size }) => size)).toEqual(Links.map((_, i) => i + 1))
    expect(linksOf(PB, node(10), 9).map(({ size }) => size)).toEqual(Array.from({ length: 9 }, () => 9))
  })

  it('block sizes that no link needs are not decoded', () => {
    const file = new UnixFS({ type: 'file', blockSizes: Array.from({ length: 100_000 }, () => 1n) })
    expect(linksOf(PB, pb({ Data: file.marshal(), Links: [{ Hash: cid(1), Tsize: 7 }] }))).toEqual([{ cid: cid(1), size: 7 }])
  })

  it('a document of many things is not read to its end', () => {
    const bytes = dagCbor.encode([cid(1), ...Array.from({ length: 300_000 }, () => 0), cid(2)])
    expect(strings(linksOf(CBOR, bytes))).toEqual([cid(1).toString()])
  })

  it('links whose digest is a novel are left out: somebody would have to remember them', () => {
    const long = CID.createV1(0x55, Digest.create(0x12, new Uint8Array(100_000)))
    expect(linksOf(CBOR, dagCbor.encode([long, cid(1)]))).toEqual([{ cid: cid(1) }])
    expect(linksOf(PB, pb({ Links: [{ Hash: long }, { Hash: cid(1) }] }))).toEqual([{ cid: cid(1) }])
    expect(linksOf(JSON_CID, dagJson.encode([long, cid(1)]))).toEqual([{ cid: cid(1) }])
  })

  it('a block that is larger than may travel is not searched', () => {
    expect(linksOf(CBOR, dagCbor.encode([cid(1), new Uint8Array(2_097_152)]))).toEqual([])
  })

  it('an abyss of arrays has no links and breaks nothing', () => {
    const depth = 1_000_000
    const abyss = new Uint8Array(depth + 1).fill(0x81)
    abyss[depth] = 0x01

    expect(linksOf(CBOR, abyss)).toEqual([])
    expect(linksOf(JSON_CID, new TextEncoder().encode('['.repeat(depth)))).toEqual([])
  })

  it('an array that claims four billion entries has none', () => {
    expect(linksOf(CBOR, Uint8Array.from([0x9a, 0xff, 0xff, 0xff, 0xff]))).toEqual([])
  })

  it('an unknown codec has none', () => {
    expect(linksOf(cid(1), new Uint8Array(10))).toEqual([])
    expect(linksOf(cid(1, 0x0200), new TextEncoder().encode('{"/":"x"}'))).toEqual([])
  })

  it('garbage has none or some, and never throws', () => {
    const valid = [pb({ Links: [{ Hash: cid(1), Name: 'x' }], Data: new UnixFS({ type: 'file' }).marshal() }), dagCbor.encode({ a: cid(1) }), dagJson.encode({ a: cid(1) })]
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.record({ base: fc.constantFrom(...valid), at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) }).map(({ base, at, by }) => base.map((byte, i) => i === at % base.length ? byte ^ by : byte))
    )

    fc.assert(fc.property(fc.constantFrom(PB, CBOR, JSON_CID), garbage, (of, bytes) => {
      for (const link of linksOf(of, bytes)) {
        expect(link.cid).toBeInstanceOf(CID)
      }
    }), { numRuns: 1_000 })
  })
})
