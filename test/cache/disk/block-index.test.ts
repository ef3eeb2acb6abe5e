import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockIndex } from '../../../src/cache/disk/block-index.ts'
import { KeyHash } from '../../../src/cache/disk/key-hash.ts'
import { multihashOf } from './support/tiers.ts'

const SECRET = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)

describe('the keyed hash', () => {
  it('is HalfSipHash-1-3: the vectors of the Linux kernel', () => {
    const hash = new KeyHash(SECRET)
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i)
    expect(hash.of(bytes, 0, 0)).toBe(0x5814c896)
    expect(hash.of(bytes, 0, 4)).toBe(0x7e059ea6)
  })

  it('depends on all of the key, and on the secret', () => {
    const key = new Uint8Array(36)
    const hashes = new Set([new KeyHash(SECRET).of(key, 0, 36), new KeyHash(SECRET.map(byte => byte + 1)).of(key, 0, 36)])
    for (let i = 0; i < 36; i++) {
      hashes.add(new KeyHash(SECRET).of(key.with(i, 0x80), 0, 36))
    }
    expect(hashes.size).toBe(38)
  })
})

describe('the index', () => {
  it('holds what a map holds, whatever is put in and taken out', () => {
    const multihash = fc.oneof(
      fc.nat({ max: 40 }).map(n => multihashOf(Uint8Array.of(n))),
      // the same digest with other lengths and codes, and keys that are the zeros behind others
      fc.uint8Array({ minLength: 1, maxLength: 5, max: 2 }),
      fc.nat({ max: 5 }).map(n => new Uint8Array(66).fill(n))
    )
    const step = fc.record({ multihash, remove: fc.boolean(), length: fc.nat(), segment: fc.nat(3), authored: fc.boolean() })

    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), steps => {
      const index = new BlockIndex(SECRET)
      const model = new Map<string, { slot: number, length: number, segment: number, kind: string, multihash: Uint8Array }>()

      for (const { multihash, remove, length, segment, authored } of steps) {
        const name = Buffer.from(multihash).toString('hex')
        const known = model.get(name)
        expect(index.find(multihash)).toBe(known?.slot ?? -1)
        if (known == null) {
          const kind = authored ? 'authored' : 'fetched'
          const slot = index.insert(multihash, { segment, offset: length, length, kind })
          expect([...model.values()].map(each => each.slot)).not.toContain(slot)
          model.set(name, { slot, length, segment, kind, multihash })
        } else if (remove) {
          index.delete(known.slot)
          expect(index.has(known.slot)).toBe(false)
          model.delete(name)
        }
      }
      expect(index.size).toBe(model.size)
      expect([...index.slots()].sort((a, b) => a - b)).toEqual([...model.values()].map(({ slot }) => slot).sort((a, b) => a - b))
      for (const { slot, length, segment, kind, multihash } of model.values()) {
        expect(index.find(multihash)).toBe(slot)
        expect([index.length(slot), index.segment(slot), index.kind(slot), index.multihashBytes(slot)]).toEqual([length, segment, kind, multihash.byteLength])
        expect(index.hash(slot)).toBe(index.hashOf(multihash))
        expect(index.multihash(slot)).toEqual(multihash.byteLength > 36 ? undefined : multihash)
        expect(index.keyEquals(index.key(slot), multihash)).toBe(true)
        expect(index.checked(slot)).toBe(false)
        expect(index.promisedUntil(slot)).toBe(0)
      }
      for (const segment of [0, 1, 2, 3]) {
        expect(new Set(index.inSegment(segment))).toEqual(new Set([...model.values()].filter(each => each.segment === segment).map(({ slot }) => slot)))
      }
    }), { numRuns: 200 })
  })

  it('grows, and forgets what a slot was when it is used again', () => {
    const index = new BlockIndex(SECRET)
    const multihashes = Array.from({ length: 20_000 }, (_, i) => multihashOf(Uint8Array.of(i, i >> 8)))
    multihashes.forEach((multihash, i) => {
      const slot = index.insert(multihash, { segment: 1, offset: i, length: i, kind: 'authored' })
      index.setChecked(slot)
      index.promise(slot, 5)
    })
    multihashes.forEach((multihash, i) => { expect(index.offset(index.find(multihash))).toBe(i) })
    const slot = index.find(multihashes[7] as Uint8Array)
    index.delete(slot)
    expect(index.insert(multihashes[7] as Uint8Array, { segment: 1, offset: 0, length: 0, kind: 'fetched' })).toBe(slot)
    expect([index.checked(slot), index.promisedUntil(slot), index.kind(slot)]).toEqual([false, 0, 'fetched'])
  })

  it('looks for what is asked for, and not for what was asked for before: an array that was filled again, a key of a sidecar between', () => {
    const index = new BlockIndex(SECRET)
    const entry = { segment: 1, offset: 0, length: 0, kind: 'fetched' } as const
    const [one, other] = [multihashOf(Uint8Array.of(1)), multihashOf(Uint8Array.of(2))]
    const slot = index.insert(one, entry)
    const array = Uint8Array.from(one)
    expect(index.find(array)).toBe(slot)
    array.set(other)
    expect(index.find(array)).toBe(-1)
    expect(index.find(one)).toBe(slot)
    expect(index.findKey(Uint8Array.from([...other, 0, 0]), 34)).toBe(-1)
    expect(index.find(one)).toBe(slot)
    const second = index.insertKey(Uint8Array.from([...other, 0, 0]), 34, entry)
    expect([index.find(other), index.find(one), index.find(Uint8Array.from([...one, 0])), index.find(one)]).toEqual([second, slot, -1, slot])
    // known by its digest, which is nobody's multihash
    const long = new Uint8Array(66).fill(3)
    const third = index.insert(long, entry)
    expect([index.find(long), index.find(long.with(65, 4)), index.find(long)]).toEqual([third, -1, third])
  })
})
