import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AskedBlocks } from '../../../src/cache/shared/asked-blocks.ts'
import { memoryPolicy, memoryWarning, writeRefusal } from '../../../src/cache/shared/memory-policy.ts'
import { patience } from '../../../src/cache/shared/patience.ts'
import { printable } from '../../../src/cache/shared/redis-error.ts'
import { WriteQueue } from '../../../src/cache/shared/write-queue.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { Clock } from '../../../src/interface/clock.ts'

const info = (policy: string, limit: number): string => `# Memory\r\nused_memory:1\r\nmaxmemory:${limit}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:${policy}\r\nmem_fragmentation_ratio:1\r\n`

describe('how a server makes room', () => {
  it('is read out of what it says about its memory', () => {
    expect(memoryPolicy(info('allkeys-lru', 1024))).toEqual({ policy: 'allkeys-lru', limit: 1024 })
    expect(memoryPolicy('')).toEqual({ policy: undefined, limit: undefined })
    expect(memoryPolicy(`maxmemory_policy:${'a'.repeat(100)}\r\nmaxmemory:many\r\n`)).toEqual({ policy: undefined, limit: undefined })
  })

  it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-ttl', 'volatile-random'])('%s is fine with a limit', policy => {
    expect(writeRefusal({ policy, limit: 1 })).toBeUndefined()
    expect(memoryWarning({ policy, limit: 1 })).toBeUndefined()
  })

  it('is refused where nothing is ever evicted, limit or not', () => {
    expect(writeRefusal({ policy: 'noeviction', limit: 0 })).toContain('CONFIG SET maxmemory-policy')
    expect(writeRefusal({ policy: 'noeviction', limit: 1 })).toContain('noeviction')
  })

  it('is warned of where there is no limit, or nothing is said', () => {
    expect(memoryWarning({ policy: 'allkeys-lru', limit: 0 })).toContain('no maxmemory')
    expect(memoryWarning({})).toContain('does not say')
    expect(writeRefusal({})).toBeUndefined()
  })
})

describe('text of a server', () => {
  it('is printed without the password, in whatever form it is repeated', () => {
    const password = 'pä"ss w/ord\\'
    fc.assert(fc.property(fc.constantFrom(password, encodeURIComponent(password), JSON.stringify(password)), fc.string({ maxLength: 20 }), (form, text) => {
      const printed = printable(`ERR ${text} ${form} ${text}`, password)
      expect(printed).not.toContain('ss w')
      expect(printed).not.toContain('ss%20w')
    }))
    expect(printable("ERR unknown command `AUTH`, with args beginning with: 'u', 'secret'", 'secret')).toContain("'u', '(not shown)'")
  })

  it('is short and cannot rewrite a terminal', () => {
    expect(printable(`\u001b[2J${'a'.repeat(5000)}`, undefined)).toMatch(/^"\\u\{1b\}\[2Ja{150,200}…"$/)
  })
})

describe('patience', () => {
  it('ends after its time, or when it is told to', async () => {
    const clock = new VirtualClock()
    const ended: number[] = []
    patience(clock, 50, () => { ended.push(clock.now()) })
    patience(clock, 50, () => { ended.push(-1) })()
    await clock.run(clock.sleep(200))
    expect(ended).toEqual([50])
    expect(clock.pending).toBe(0)
  })

  it('looks once more when this process was too busy to look in time', () => {
    let now = 0
    const timers: Array<() => void> = []
    const clock = { now: () => now, schedule: (_: number, fn: () => void) => { timers.push(fn); return () => { timers.splice(timers.indexOf(fn), 1) } } } as unknown as Clock
    let ended = 0
    const cancel = patience(clock, 50, () => { ended++ })

    now = 500
    timers.shift()?.()
    expect(ended).toBe(0)
    expect(timers).toHaveLength(1)
    cancel()
    expect(timers).toHaveLength(0)
  })
})

describe('asked blocks', () => {
  it('are counted, and known to be there until then', () => {
    const asked = new AskedBlocks()
    expect([asked.count('a'), asked.count('b'), asked.count('a')]).toEqual([1, 1, 2])
    expect(asked.isHeld('a', 0)).toBe(false)
    asked.held('a', 10)
    asked.held('c', 10)
    expect([asked.isHeld('a', 9), asked.isHeld('a', 10), asked.isHeld('c', 9)]).toEqual([true, false, true])
    expect([asked.count('a'), asked.count('c')]).toEqual([3, 1])
    asked.missing('a')
    asked.missing('nobody')
    expect(asked.isHeld('a', 0)).toBe(false)
  })

  it('are forgotten after 16 384 others', () => {
    const asked = new AskedBlocks()
    asked.count('a')
    for (let i = 0; i < 16_384; i++) {
      asked.count(`b${i}`)
    }
    expect(asked.count('a')).toBe(1)
  })
})

describe('the write queue', () => {
  it('holds each block once, in order, within its limits, and accounts for every byte', () => {
    const operation = fc.oneof(
      fc.record({ key: fc.nat(500), size: fc.integer({ min: 1, max: 65_536 }) }),
      fc.constant('next' as const),
      fc.constant('clear' as const))
    fc.assert(fc.property(fc.array(operation, { maxLength: 600 }), operations => {
      const queue = new WriteQueue()
      let model: Array<{ key: string, size: number }> = []
      const total = (): number => model.reduce((sum, { size }) => sum + size, 0)

      for (const step of operations) {
        if (step === 'next') {
          expect(queue.next()?.key).toBe(model.shift()?.key)
        } else if (step === 'clear') {
          expect(queue.clear()).toBe(model.length)
          model = []
        } else {
          const key = String(step.key)
          const there = model.some(write => write.key === key)
          const room = model.length < 256 && total() + step.size <= 4_194_304
          expect(queue.add({ key, multihash: new Uint8Array(), bytes: new Uint8Array(step.size) })).toBe(there || room)
          if (!there && room) {
            model.push({ key, size: step.size })
          }
        }
        expect([queue.size, queue.bytes]).toEqual([model.length, total()])
      }
    }), { numRuns: 50 })
  })
})
