import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { linksOf } from '../../src/block/links.ts'

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
    }))
  })
})

describe('bounds', () => {
  it('no more links than the limit', () => {
    const many = Array.from({ length: 300 }, (_, i) => cid(i % 256))

    expect(linksOf(CBOR, dagCbor.encode(many), 7)).toHaveLength(7)
    expect(linksOf(PB, pb({ Links: many.map((Hash) => ({ Hash })) }), 7)).toHaveLength(7)
    expect(linksOf(PB, pb({ Links: many.map((Hash) => ({ Hash })) }))).toHaveLength(300)
  })

  it('a block of more than half a MiB is not decoded for its links', () => {
    const links = Array.from({ length: 13_000 }, (_, i) => cid(i % 256))
    const bytes = dagCbor.encode(links)
    expect(bytes.byteLength).toBeGreaterThan(524_288)
    expect(linksOf(CBOR, bytes)).toEqual([])
    expect(linksOf(CBOR, dagCbor.encode(links.slice(0, 9_000)))).toHaveLength(9_000)
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
