import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { readFile } from '../../src/unixfs/read-file.ts'
import { AdaptiveWindow, DEFAULT_MAX_WINDOW, INITIAL_WINDOW } from '../../src/block/read-window.ts'
import { Blocks } from '../unixfs/support/blocks.ts'
import { evenFile } from '../unixfs/support/tree.ts'
import type { ReadFileOptions } from '../../src/unixfs/read-file.ts'
import type { BlockLoader } from '../../src/interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

const MIB = 1_048_576

interface Line {
  readonly clock: VirtualClock
  readonly load: BlockLoader
  readonly loads: number
  /** Bytes asked for and not yet there: now, and at most since the last `forget` */
  readonly most: number
  forget (): void
  /** Bytes per ms, and ms from the question to the first byte of the answer; both may change while it is used */
  rate: number
  delay: number
}

/** One provider behind one line: answers come one after the other, each after the delay */
function line (blocks: Blocks, rate: number, delay: number, local: (nth: number) => boolean = () => false): Line {
  const clock = new VirtualClock()
  let free = 0
  let inFlight = 0
  const it = {
    clock,
    loads: 0,
    most: 0,
    rate,
    delay,
    forget () { it.most = inFlight },
    load: async (cid: CID, { signal }: { signal?: AbortSignal } = {}): Promise<Uint8Array> => {
      const block = blocks.block(cid)

      if (local(it.loads++)) {
        return block
      }

      inFlight += block.byteLength
      it.most = Math.max(it.most, inFlight)

      try {
        await clock.sleep(it.delay, { signal })
        free = Math.max(free, clock.now()) + block.byteLength / it.rate
        await clock.sleep(free - clock.now(), { signal })
      } finally {
        inFlight -= block.byteLength
      }

      return block
    }
  }

  return it
}

interface Read {
  /** Bytes per ms since the first chunk was under way */
  readonly rate: number
  readonly bytes: number
}

async function read (cid: CID, line: Line, { stop = Infinity, chunk = () => {}, ...options }: ReadFileOptions & { stop?: number, chunk?: (read: number) => Promise<void> | void } = {}): Promise<Read> {
  const { clock, load } = line

  return clock.run((async () => {
    let bytes = 0
    let began = 0

    for await (const { byteLength } of readFile(cid, load, { clock, ...options })) {
      began = bytes === 0 ? clock.now() - byteLength / line.rate : began
      bytes += byteLength
      await chunk(bytes)

      if (bytes >= stop) {
        break
      }
    }

    return { bytes, rate: bytes / (clock.now() - began) }
  })())
}

const SHAPES = [
  { chunk: MIB / 4, links: 174 }, { chunk: MIB / 4, links: 1024 }, { chunk: MIB, links: 174 }, { chunk: MIB, links: 1024 }
]

describe('AdaptiveWindow, under a file', () => {
  it.each(SHAPES)('reads 64 MiB at 90 % of a line of 50 MB/s and 100 ms, and 1 GiB at 95 %: %o', async shape => {
    const blocks = new Blocks()

    for (const [size, share] of [[64 * MIB, 0.9], [1024 * MIB, 0.95]] as const) {
      const { rate, bytes } = await read(await evenFile(blocks, { ...shape, size }), line(blocks, 50_000, 100))

      expect(bytes).toBe(size)
      expect(rate / 50_000).toBeGreaterThan(share)
    }
  })

  it.each(SHAPES)('asks for 8 blocks at most where 1 KiB of 1 GiB is read: %o', async shape => {
    const blocks = new Blocks()
    const size = 1024 * MIB
    const cid = await evenFile(blocks, { ...shape, size })

    for (const offset of [size / 2, size / 2 - 512, size / 2 + 1000, 174 * shape.chunk - 1]) {
      const range = line(blocks, 50_000, 100)
      expect(await read(cid, range, { offset, length: 1024 })).toMatchObject({ bytes: 1024 })
      expect(range.loads).toBeLessThanOrEqual(6)
    }

    // And where the reader did not say how much it would read, and leaves
    const left = line(blocks, 50_000, 100)
    await read(cid, left, { offset: size / 2, stop: 1024 })
    expect(left.loads).toBeLessThanOrEqual(8)
    expect(left.clock.pending).toBe(0)
  })

  it('holds little where little is under way: twice that and twice the beginning', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1_000, max: 100_000 }), fc.integer({ min: 1, max: 50 }), async (rate, delay) => {
      const blocks = new Blocks()
      const wire = line(blocks, rate, delay)
      let steady = false

      await read(await evenFile(blocks, { size: 512 * MIB, chunk: MIB / 4, links: 1024 }), wire, {
        chunk: bytes => {
          if (!steady && bytes > 64 * MIB) {
            steady = true
            wire.forget()
          }
        }
      })
      expect(wire.most).toBeLessThanOrEqual(2 * (rate * delay + INITIAL_WINDOW) + MIB)
    }), { numRuns: 8 })
  })

  it('is never larger than its maximum', async () => {
    const blocks = new Blocks()
    const cid = await evenFile(blocks, { size: 256 * MIB, chunk: MIB / 4, links: 1024 })

    for (const max of [1, 100_000, 3 * MIB, undefined]) {
      const wire = line(blocks, 1_000_000, 300)
      await read(cid, wire, { window: max, stop: max === 1 ? 4 * MIB : undefined, windowBlocks: 1000 })
      expect(wire.most).toBeLessThanOrEqual(Math.max(max ?? DEFAULT_MAX_WINDOW, MIB / 4))
      expect(wire.most).toBeGreaterThan((max ?? DEFAULT_MAX_WINDOW) - MIB / 4)
    }
  })

  it('shrinks for a reader who is slow, and grows when it is fast again', async () => {
    const blocks = new Blocks()
    const cid = await evenFile(blocks, { size: 1024 * MIB, chunk: MIB / 4, links: 1024 })
    const wire = line(blocks, 50_000, 100)
    let slow = 0
    let fastFrom = 0

    const { bytes } = await read(cid, wire, {
      chunk: async bytes => {
        if (bytes > 256 * MIB && bytes <= 320 * MIB) {
          await wire.clock.sleep(500)

          if (bytes === 288 * MIB) {
            wire.forget()
          } else if (bytes === 320 * MIB) {
            slow = wire.most
            fastFrom = wire.clock.now()
          }
        }
      }
    })

    expect(bytes).toBe(1024 * MIB)
    expect(slow).toBeLessThanOrEqual(INITIAL_WINDOW)
    expect((1024 - 320) * MIB / (wire.clock.now() - fastFrom) / 50_000).toBeGreaterThan(0.9)
  })

  it('follows a line that becomes another, for better and for worse', async () => {
    for (const [from, to] of [[5, 100], [100, 5]] as const) {
      const blocks = new Blocks()
      const cid = await evenFile(blocks, { size: 1536 * MIB, chunk: MIB / 4, links: 1024 })
      const wire = line(blocks, 50_000, from)
      let changed = 0

      await read(cid, wire, {
        chunk: bytes => {
          if (bytes === 768 * MIB) {
            wire.delay = to
            changed = wire.clock.now()
          }
        }
      })
      expect(768 * MIB / (wire.clock.now() - changed) / 50_000).toBeGreaterThan(0.9)
    }
  })

  it('suits the part of a file that is not here, whatever part is', async () => {
    const blocks = new Blocks()
    const cid = await evenFile(blocks, { size: 1024 * MIB, chunk: MIB / 4, links: 1024 })

    for (const local of [(nth: number) => nth % 2 === 0, (nth: number) => nth < 2_000, (nth: number) => nth % 400 < 200]) {
      const wire = line(blocks, 50_000, 100, local)
      await read(cid, wire)
      // Half of it came over the line
      expect(512 * MIB / wire.clock.now() / 50_000).toBeGreaterThan(0.75)
    }
  })

  it('is as it began while no time passes', () => {
    const clock = new VirtualClock()
    const window = new AdaptiveWindow({ clock, initial: 1_000 })

    for (let i = 0; i < 100; i++) {
      window.ask()(1_000)
    }

    expect(window.bytes).toBe(1_000)
  })

  it('stays between its beginning and its maximum, whatever comes when', async () => {
    await fc.assert(fc.asyncProperty(
      fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 50_000 }),
      fc.array(fc.record({ ms: fc.nat(20_000), bytes: fc.nat(5_000), waited: fc.boolean(), ahead: fc.nat(5) }), { maxLength: 80 }),
      async (initial, max, steps) => {
        const clock = new VirtualClock()
        const window = new AdaptiveWindow({ clock, initial, max })
        const asked: Array<(bytes: number) => void> = []

        for (const { ms, bytes, waited, ahead } of steps) {
          asked.push(...Array.from({ length: ahead }, () => window.ask()))
          await clock.advance(ms)
          asked.shift()?.(bytes)

          if (waited) {
            window.waited()
          }

          expect(window.bytes).toBeGreaterThanOrEqual(Math.min(initial, max))
          expect(window.bytes).toBeLessThanOrEqual(max)
        }
      }
    ), { numRuns: 200 })
  })
})
