import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lines } from '../../src/routing/lines.ts'
import type { ProviderId } from '../../src/interface/provider.ts'

const MIB = 1_048_576

/** A block that comes in eighths, evenly, one attempt or several taking turns */
function bring (lines: Lines, id: ProviderId, from: number, until: number, { blocks = 1, bytes = MIB } = {}): void {
  const loads = Array.from({ length: blocks }, () => lines.began(id, bytes, from))
  loads.forEach(load => { load.answered() })

  for (let i = 1; i <= 8; i++) {
    loads.forEach(load => { load.arrived(bytes / 8, from + (until - from) * i / 8) })
  }

  loads.forEach(load => { load.ended(until, bytes) })
}

describe('the line to a provider', () => {
  it('is unknown before anything was asked of it', () => {
    expect(new Lines().of('p2p:a', 0)).toEqual({ queued: 0 })
  })

  it('has in its queue what was asked for and has not come', () => {
    const lines = new Lines()
    const first = lines.began('p2p:a', MIB, 0)
    const second = lines.began('p2p:a', MIB, 0)
    lines.began('p2p:b', 5, 0)
    expect(lines.of('p2p:a', 0).queued).toBe(2 * MIB)
    first.answered()
    first.arrived(1_000, 0)
    expect(lines.of('p2p:a', 0).queued).toBe(2 * MIB - 1_000)
    first.ended(1)
    second.ended(1)
    expect(lines.of('p2p:a', 1)).toEqual({ queued: 0 })
  })

  it('bears what came over it, however many shared it', () => {
    const lines = new Lines()
    bring(lines, 'p2p:a', 0, 800, { blocks: 4 })
    expect(lines.of('p2p:a', 800)).toEqual({ queued: 0, pace: expect.closeTo(4 * MIB / 800) })
  })

  it('bears no less for being used less, until that was long ago', () => {
    const lines = new Lines()
    bring(lines, 'p2p:a', 0, 200)
    expect(lines.of('p2p:a', 200).pace).toBeCloseTo(MIB / 200)
    bring(lines, 'p2p:a', 1_000, 1_800)
    expect(lines.of('p2p:a', 15_000).pace).toBeCloseTo(MIB / 200)
    bring(lines, 'p2p:a', 15_000, 15_800)
    expect(lines.of('p2p:a', 21_000).pace).toBeCloseTo(MIB / 200)
    expect(lines.of('p2p:a', 26_000).pace).toBeCloseTo(MIB / 800)
    expect(lines.of('p2p:a', 60_000).pace).toBeUndefined()
  })

  it('is not judged by the time in which nothing was asked of it', () => {
    const lines = new Lines()

    for (let at = 0; at < 3_000; at += 1_000) {
      bring(lines, 'p2p:a', at, at + 60)
    }

    expect(lines.of('p2p:a', 3_000).pace).toBeCloseTo(MIB / 60)
  })

  it('is not judged by what comes at once after a pause of ours', () => {
    const lines = new Lines()
    const load = lines.began('p2p:a', 4 * MIB, 0)
    load.answered()
    load.arrived(MIB, 52)
    load.arrived(MIB, 104)
    load.arrived(MIB, 208)
    load.arrived(MIB, 208.1)
    load.ended(208.1, 4 * MIB)
    expect(lines.of('p2p:a', 209).pace).toBeLessThan(1.1 * 2 * MIB / 104)
  })

  it('is not judged by blocks so small that only the delay shows', () => {
    const lines = new Lines()
    bring(lines, 'p2p:a', 0, 1_000, { blocks: 8, bytes: 1_024 })
    expect(lines.of('p2p:a', 1_000).pace).toBeUndefined()
  })

  it('tells of each block what came beside it since its first byte', () => {
    const lines = new Lines()
    const early = lines.began('p2p:a', MIB, 0)
    const late = lines.began('p2p:a', MIB, 0)
    early.answered()
    early.arrived(MIB / 2, 50)
    late.answered()
    late.arrived(MIB / 2, 50)
    early.arrived(MIB / 2, 50)
    expect(early.ended(100, MIB)).toBe(1.5 * MIB)
    late.arrived(MIB / 2, 50)
    expect(late.ended(150, MIB)).toBe(1.5 * MIB)
    expect(lines.began('p2p:a', MIB, 150).ended(200)).toBe(0)
  })

  it('counts a block of which nothing was told until it was there', () => {
    const lines = new Lines()
    const load = lines.began('broker:a', MIB, 0)
    load.answered()
    expect(load.ended(100, MIB)).toBe(MIB)
    expect(lines.of('broker:a', 100).pace).toBeCloseTo(MIB / 100)
  })

  it('has no queue left when all has ended, whatever came and whenever', () => {
    const step = fc.record({ size: fc.nat(MIB), pieces: fc.array(fc.nat(MIB), { maxLength: 4 }), delivered: fc.boolean(), late: fc.nat(MIB) })
    fc.assert(fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const lines = new Lines()
      const loads = steps.map(({ size }, i) => lines.began('p2p:a', size, i))

      for (const [i, load] of loads.entries()) {
        const { size, pieces = [], delivered = false, late = 0 } = steps[i] ?? { size: 0 }
        load.answered()
        pieces.forEach(piece => { load.arrived(piece, 100) })
        expect(lines.of('p2p:a', 100).queued).toBeGreaterThanOrEqual(0)
        load.ended(100 + i, delivered ? size : undefined)
        // a cancelled transfer may still trickle in
        load.arrived(late, 150)
      }

      expect(lines.of('p2p:a', 200).queued).toBe(0)
    }))
  })

  it('is remembered for so many providers and no more', () => {
    const lines = new Lines()
    bring(lines, 'p2p:first', 0, 200)

    for (let i = 0; i < 1_024; i++) {
      lines.began(`p2p:other${i}`, MIB, 200).ended(210)
    }

    expect(lines.of('p2p:first', 210)).toEqual({ queued: 0 })
  })
})
