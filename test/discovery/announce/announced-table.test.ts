import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnnouncedTable, SLOTS } from '../../../src/discovery/announce/announced-table.ts'
import { PackedHashes } from '../../../src/discovery/announce/packed-hashes.ts'
import { kadKey } from '../../../src/discovery/kad/kad-key.ts'

function hash (i: number): Uint8Array {
  return Uint8Array.from([0x12, 0x20, ...kadKey(new TextEncoder().encode(`block ${i}`))])
}

function restoredFrom (table: AnnouncedTable): AnnouncedTable {
  const copy = new AnnouncedTable()
  for (const [, entry] of table.takeDirty(Infinity)) {
    if (entry != null) {
      copy.restore(JSON.parse(JSON.stringify(entry)))
    }
  }
  copy.settle()
  return copy
}

function all (table: AnnouncedTable): string[] {
  return Array.from({ length: SLOTS }, (_, slot) => [...table.inSlot(slot)]).flat().map(bytes => bytes.join()).sort()
}

describe('packed hashes', () => {
  it('are a set', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 3 }))), steps => {
      const packed = new PackedHashes()
      const model = new Set<string>()
      for (const [add, bytes] of steps) {
        const there = model.has(bytes.join())
        expect(packed.has(bytes)).toBe(there)
        expect(add ? packed.add(bytes) : packed.delete(bytes)).toBe(add !== there)
        if (add) {
          model.add(bytes.join())
        } else {
          model.delete(bytes.join())
        }
        expect(packed.size).toBe(model.size)
      }
      expect([...packed].map(bytes => bytes.join()).sort()).toEqual([...model].sort())
    }))
  })
})

describe('packed hashes made at once', () => {
  it('are those that are added one by one', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 3 })), hashes => {
      const packed = new PackedHashes()
      hashes.forEach(bytes => { packed.add(bytes) })
      const once = PackedHashes.of(hashes)
      expect(once.size).toBe(packed.size)
      expect([...once].map(bytes => bytes.join()).sort()).toEqual([...packed].map(bytes => bytes.join()).sort())
      expect(hashes.every(bytes => once.has(bytes))).toBe(true)
    }))
  })
})

describe('the table of what is announced', () => {
  it('keeps each block once, in the order of the keyspace, over restarts', () => {
    const table = new AnnouncedTable()
    for (let i = 0; i < 2_000; i++) {
      expect(table.add(hash(i % 1_000))).toBe(i < 1_000 ? 'added' : 'known')
    }
    table.swept(7, 1_000)
    for (let slot = 0; slot < SLOTS; slot++) {
      expect([...table.inSlot(slot)].every(bytes => kadKey(bytes)[0] === slot)).toBe(true)
    }
    const copy = restoredFrom(table)
    expect(copy.size).toBe(1_000)
    expect(all(copy)).toEqual(all(table))
    expect([copy.sweptAt(7), copy.sweptAt(8)]).toEqual([1_000, undefined])
    expect(copy.takeDirty(10)).toEqual([])

    expect([copy.delete(hash(3)), copy.delete(hash(3))]).toEqual([true, false])
    const [[id, entry]] = copy.takeDirty(10) as [[string, object | undefined]]
    expect(entry).toBeUndefined()
    copy.giveBack([id])
    expect(copy.takeDirty(10)).toHaveLength(1)
  })

  it('is bounded, and what was there stays', () => {
    const table = new AnnouncedTable(3)
    expect([1, 2, 3, 4, 1].map(i => table.add(hash(i)))).toEqual(['added', 'added', 'added', 'full', 'known'])
    table.delete(hash(1))
    expect(table.add(hash(4))).toBe('added')
    expect(table.add(new Uint8Array(81))).toBe('full')
    expect(table.size).toBe(3)
  })

  it('shares its room with another one, also with what is read from the store', () => {
    const former = new AnnouncedTable()
    Array.from({ length: 6 }, (_, i) => former.add(hash(i)))
    const table = new AnnouncedTable(10, () => 8)
    for (const [, entry] of former.takeDirty(Infinity)) {
      table.restore(JSON.parse(JSON.stringify(entry)))
    }
    expect(table.size).toBe(2)
    expect(table.add(hash(99))).toBe('full')
  })

  it.each([
    ['nothing', null],
    ['another thing', { id: 'other-1' }],
    ['a slot that is none', { id: 'slot-256', at: 1 }],
    ['a time that is none', { id: 'slot-1', at: '1' }],
    ['a cell that is none', { id: 'cell-4096', hashes: [] }],
    ['no list', { id: 'cell-1', hashes: 'abc' }],
    ['a hash of another cell', { id: `cell-${((kadKey(hash(1))[0] ?? 0) * 16 + 20) % 4_096}`, hashes: [Buffer.from(hash(1)).toString('base64url')] }],
    ['what is no hash', { id: `cell-${(kadKey(Uint8Array.of(0x12, 0x20, 1))[0] ?? 0) * 16 + ((kadKey(Uint8Array.of(0x12, 0x20, 1))[1] ?? 0) >> 4)}`, hashes: ['EiAB'] }]
  ])('refuses %s from the store', (_, entry) => {
    const table = new AnnouncedTable()
    expect(() => { table.restore(entry) }).toThrow()
    expect([table.size, table.sweptAt(1)]).toEqual([0, undefined])
  })
})
