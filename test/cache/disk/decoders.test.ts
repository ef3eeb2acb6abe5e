import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockIndex } from '../../../src/cache/disk/block-index.ts'
import { blockRecord, kindRecord, readHeader, readPlaces, recordMark, removalRecord } from '../../../src/cache/disk/record.ts'
import { scanSegment } from '../../../src/cache/disk/segment-scan.ts'
import { decodeSidecar, encodeSidecar } from '../../../src/cache/disk/sidecar.ts'
import type { CacheFile } from '../../../src/cache/disk/files.ts'
import type { CacheKind } from '../../../src/interface/cache.ts'

const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const MARK = recordMark(NONCE)
const kind = fc.constantFrom<CacheKind>('authored', 'fetched')
const multihash = fc.uint8Array({ minLength: 1, maxLength: 255 })
const place = fc.record({ segment: fc.nat(0xffffffff), offset: fc.nat(0xffffffff) })

function fileOf (bytes: Uint8Array): CacheFile {
  const never = async (): Promise<never> => { throw new Error('only read') }
  return {
    read: async (target, position) => Buffer.from(bytes).copy(target, 0, position),
    size: async () => bytes.byteLength,
    write: never,
    truncate: never,
    sync: never,
    close: never
  }
}

describe('records', () => {
  it('are found as they were written, one after the other, by a scan', async () => {
    const record = fc.oneof(
      fc.record({ type: fc.constant('block' as const), multihash, bytes: fc.oneof(fc.uint8Array({ maxLength: 20_000 }), fc.nat(255).map(byte => new Uint8Array(270_000).fill(byte))), kind }),
      fc.record({ type: fc.constant('removal' as const), places: fc.array(place, { minLength: 1, maxLength: 20 }) }),
      fc.record({ type: fc.constant('kind' as const), multihash, places: fc.array(place, { minLength: 1, maxLength: 2 }), kind })
    )
    await fc.assert(fc.asyncProperty(fc.array(record, { maxLength: 30 }), async records => {
      const bytes = Buffer.concat(records.flatMap(each => {
        if (each.type === 'block') {
          return blockRecord(NONCE, each.multihash, each.bytes, each.kind)
        }
        return each.type === 'removal' ? [removalRecord(NONCE, each.places)] : [kindRecord(NONCE, each.multihash, each.kind, each.places)]
      }))
      const scan = await scanSegment(fileOf(bytes), 0, bytes.byteLength, NONCE)
      const blocks = records.filter(each => each.type === 'block')

      expect(scan).toMatchObject({ end: bytes.byteLength, damaged: [] })
      expect(scan.removals).toEqual(records.flatMap(each => each.type === 'removal' ? each.places : []))
      expect(scan.kinds).toEqual(records.flatMap(each => each.type === 'kind' ? each.places.map(where => ({ ...where, multihash: each.multihash, kind: each.kind })) : []))
      expect(scan.blocks.count).toBe(blocks.length)
      blocks.forEach((each, i) => {
        const listed = scan.blocks.at(i)
        const header = readHeader(bytes, listed.offset, MARK)
        expect(listed).toMatchObject({ length: each.bytes.byteLength, kind: each.kind, multihashBytes: each.multihash.byteLength })
        expect(header?.multihash).toEqual(Buffer.from(each.multihash))
        expect(bytes.subarray(listed.offset + (header?.headerBytes ?? 0)).subarray(0, listed.length)).toEqual(Buffer.from(each.bytes))
      })
    }), { numRuns: 60 })
  })

  it('are nothing at all in bytes that are not ours, and no bytes break a scan', async () => {
    const marked = fc.array(fc.oneof(fc.constant(MARK), fc.uint8Array({ maxLength: 60 })), { maxLength: 40 }).map(parts => Buffer.concat(parts))
    await fc.assert(fc.asyncProperty(marked, async bytes => {
      const scan = await scanSegment(fileOf(bytes), 0, bytes.byteLength, NONCE)
      expect(scan.blocks.count).toBe(0)
      expect(scan.end).toBe(0)
    }))
  })

  it('do not have half a place', () => {
    expect(readPlaces(Buffer.alloc(15))).toHaveLength(1)
  })
})

describe('a sidecar', () => {
  it('says what the index said, and nothing when a byte of it is another one or is missing', () => {
    const block = fc.record({ multihash, offset: fc.nat(0xffffffff), length: fc.nat(0xffffffff), kind })
    const note = fc.record({ segment: fc.nat(0xffffffff), offset: fc.nat(0xffffffff), multihash, kind })

    fc.assert(fc.property(fc.uniqueArray(block, { selector: each => Buffer.from(each.multihash).toString('hex'), maxLength: 20 }), fc.array(place), fc.array(note, { maxLength: 5 }), fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), (blocks, removals, kinds, closed, at, flip) => {
      const index = new BlockIndex(NONCE)
      const slots = blocks.map(each => index.insert(each.multihash, { ...each, segment: 9 }))
      const bytes = encodeSidecar(NONCE, index, { segment: 9, covered: 77, closed, slots, notes: { removals, kinds } })
      const sidecar = decodeSidecar(bytes, NONCE, 9)

      expect(sidecar).toMatchObject({ covered: 77, closed, removals, kinds })
      expect(Array.from({ length: sidecar?.blocks.count ?? 0 }, (_, i) => sidecar?.blocks.at(i))).toEqual(slots.map((slot, i) => ({
        key: Buffer.from(index.key(slot)), offset: blocks[i]?.offset, length: blocks[i]?.length, kind: blocks[i]?.kind, multihashBytes: blocks[i]?.multihash.byteLength
      })))
      expect(decodeSidecar(bytes, NONCE, 8)).toBeUndefined()
      expect(decodeSidecar(bytes, NONCE.with(0, 9), 9)).toBeUndefined()
      expect(decodeSidecar(bytes.with(at % bytes.byteLength, (bytes[at % bytes.byteLength] as number) ^ flip), NONCE, 9)).toBeUndefined()
      expect(decodeSidecar(bytes.subarray(0, at % bytes.byteLength), NONCE, 9)).toBeUndefined()
    }))
  })

  it('is not broken by any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      expect(decodeSidecar(bytes, NONCE, 1)).toBeUndefined()
    }))
  })
})
