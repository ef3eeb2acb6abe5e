import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExposureRing, MAX_TEXT } from '../../../src/privacy/ledger/exposure-ring.ts'
import type { DisclosureEntry, Observer } from '../../../src/interface/disclosure.ts'

// unpaired halves of characters are no text that could be kept
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.string({ unit: 'binary-ascii', minLength: 300, maxLength: 500 }), fc.string({ unit: fc.constantFrom('€', 'a', '\u0000', '\ufeff'), minLength: 400, maxLength: MAX_TEXT }))

const entries = fc.record({
  observer: text as fc.Arbitrary<Observer>,
  request: text,
  transport: text,
  purpose: text,
  key: fc.option(text, { nil: undefined }),
  client: fc.option(text, { nil: undefined }),
  at: fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
  form: fc.constantFrom<DisclosureEntry['form']>('cid', 'multihash', 'prefix', 'hostname', 'peer', 'none'),
  audience: fc.constantFrom<DisclosureEntry['audience']>('one', 'many', 'unbounded'),
  mode: fc.constantFrom<DisclosureEntry['mode']>('open', 'balanced', 'strict'),
  state: fc.constantFrom<DisclosureEntry['state']>('intended', 'sent', 'not-sent', 'unknown'),
  cancelled: fc.boolean()
})

describe('the ring of exposures', () => {
  it('gives back what was put, also when its texts run over each other', () => {
    fc.assert(fc.property(fc.array(entries, { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 300 }), (all, max) => {
      const ring = new ExposureRing(max, 1_000)
      const added = new Map(all.map(entry => [ring.add(entry, 0), entry]))

      // whatever the length of the names, the newest is there, and what is there is the newest
      expect(ring.size).toBeGreaterThanOrEqual(Math.min(all.length, max, 10))
      expect([...ring.numbers()]).toEqual([...added.keys()].slice(-ring.size))
      for (const number of ring.numbers()) {
        expect(ring.get(number)).toEqual(added.get(number))
      }
      expect(ring.get(all.length + 1)).toBeUndefined()
    }), { numRuns: 60 })
  })

  it('keeps a byte order mark that a text begins with, and so the beginning of all others', () => {
    const ring = new ExposureRing(10, 1_000)
    const entry: DisclosureEntry = { observer: '\ufeffp2p:a' as Observer, request: 'r', transport: 'bitswap', purpose: 'read', key: 'k', client: '\ufeffc', at: 0, form: 'cid', audience: 'one', mode: 'balanced', state: 'sent', cancelled: false }
    expect(ring.get(ring.add(entry, 0))).toEqual(entry)
  })

  it('counts a client apart from a peer and a read, whatever they are called', () => {
    const names = Array.from({ length: 8 }, (_, i) => `${String.fromCharCode(0x70 ^ i)}2p:a`)
    const quiet = names.flatMap(name => [{ client: name, request: 'x', purpose: 'read' }, { request: name, purpose: 'read' }])

    for (let salt = 0; salt < 32; salt++) {
      const ring = new ExposureRing(640, 1_000, salt)
      const put = (entry: Partial<DisclosureEntry>): number => ring.add({ observer: 'p2p:b', request: 'r', transport: 'bitswap', purpose: 'read', at: 0, form: 'cid', audience: 'one', mode: 'balanced', state: 'sent', cancelled: false, ...entry }, 0)
      const kept = quiet.map(put)
      for (let i = 0; i < 2_000; i++) {
        put({ observer: 'p2p:a', purpose: 'serve' })
      }
      expect(ring.numbers().slice(0, kept.length), `salt ${salt}`).toEqual(kept)
    }
  })

  it('holds as many as it may of names as long as real ones', () => {
    const ring = new ExposureRing(10_000, 1_000)
    for (let i = 0; i < 25_000; i++) {
      ring.add({ observer: `p2p:12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8${i}`, request: `r${i}`, transport: 'bitswap', purpose: 'read', key: `EiCAIU9-BiZK3jS-ls05kQCigUaVjLEiQsv2335_${i}`, client: '198.51.100.7', at: i, form: 'cid', audience: 'one', mode: 'balanced', state: 'sent', cancelled: false }, 0)
    }
    expect(ring.size).toBe(10_000)
  })
})
