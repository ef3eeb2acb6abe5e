import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { afterFault, afterProbe, newBreaker, probeBreaker } from '../../src/cache/shared/breaker.ts'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles } from './disk/support/memory-files.ts'
import { respServer } from './shared/resp-server.ts'
import { smallBlock, testTier, until } from './shared/tier.ts'
import { blocks, failure, read } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { SetClock, StoppedClock } from './support/odd-clocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const ORIGIN = { origin: 'test' }
const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

interface Command {
  readonly type: 'admit' | 'put' | 'delete' | 'has' | 'get' | 'wait' | 'break' | 'mend' | 'restart' | 'set'
  readonly which: number
  readonly ms: number
}

/** All that can be seen of a cache over a script: what each step comes to, how long it takes, what health and counts say */
async function run (clock: VirtualClock, known: readonly TestBlock[], commands: readonly Command[], set: (ms: number) => void): Promise<unknown[]> {
  const disk = new MemoryDisk()
  const init = { disk, clock, memoryBytes: 6_000, verifyRate: 0.3 }
  let { cache } = await smallCache(init)
  const seen: unknown[] = []

  for (const { type, which, ms } of commands) {
    const { cid, bytes } = known[which] as TestBlock
    const began = clock.now()
    let outcome: unknown
    switch (type) {
      case 'admit':
        outcome = await clock.run(cache.admit(cid, new Uint8Array(bytes), { ...ORIGIN, wait: which % 2 === 0 }).catch((err: Error) => err.name))
        break
      case 'put':
        outcome = await clock.run(failure(Promise.resolve(cache.put(cid, new Uint8Array(bytes)))))
        break
      case 'delete':
        outcome = await clock.run(failure(Promise.resolve(cache.delete(cid))))
        break
      case 'has':
        outcome = await clock.run((async () => cache.has(cid))())
        break
      case 'get':
        outcome = await clock.run(failure(read(cache.get(cid))))
        break
      case 'wait':
        await clock.advance(ms)
        break
      case 'break':
        disk.writeFault = full()
        break
      case 'mend':
        disk.writeFault = undefined
        break
      case 'restart': {
        // with the policy's state, saved at one time of day and read at another
        const stats = cache.stats()
        await clock.run(cache.close())
        set(ms * HOUR)
        cache = (await smallCache(init)).cache
        outcome = stats
        break
      }
      case 'set':
        set(ms % 2 === 0 ? -HOUR : DAY)
    }
    seen.push([type, outcome, clock.now() - began, cache.health(), disk.reads, disk.writes.length])
  }
  seen.push(cache.stats())
  await clock.run(cache.close())
  seen.push(clock.pending)
  return seen
}

describe('a time of day that is set back and forth', () => {
  it('changes nothing that a cache does: promises, evictions, verification, looking whether the disk works, what was learnt', async () => {
    const known = await blocks(20, 900)
    const command = fc.record<Command>({
      type: fc.constantFrom('admit', 'admit', 'admit', 'put', 'delete', 'has', 'get', 'get', 'wait', 'break', 'mend', 'restart', 'set', 'set'),
      which: fc.nat(known.length - 1),
      ms: fc.nat(7_000)
    })
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async commands => {
      const odd = new SetClock()
      expect(await run(odd, known, commands, ms => { odd.offset = ms })).toEqual(await run(new VirtualClock(), known, commands, () => {}))
    }), { numRuns: 60 })
  })

  it('keeps a promise of five seconds for five seconds, and looks at a broken disk after some seconds and not before, though days pass or none', async () => {
    const clock = new SetClock()
    const { cache, disk } = await smallCache({ clock })
    const [one] = await blocks(1) as [TestBlock]
    disk.writeFault = full()
    await clock.run(cache.admit(one.cid, one.bytes, ORIGIN))
    for (const offset of [DAY, -DAY, 0]) {
      clock.offset = offset
      await clock.advance(1_500)
      expect(await read(cache.get(one.cid))).toEqual(Buffer.from(one.bytes))
    }
    disk.writeFault = undefined
    // a notebook that slept: the day went on, the process did not
    clock.offset = HOUR
    await clock.advance(0)
    expect(cache.health().state).toBe('degraded')
    await clock.advance(8_000)
    expect([cache.health().state, await failure(read(cache.get(one.cid)))]).toEqual(['ok', 'NotFoundError'])
    await clock.run(cache.close())
  })
})

describe('a process that is stopped for an hour', () => {
  it('with reads and writes under way goes on: nothing wrong, nothing stuck, all that was acknowledged there', async () => {
    const clock = new StoppedClock()
    const files = new MemoryFiles()
    const limits = { path: '/cache', maxBytes: 16_777_216, memoryBytes: 0, clock, files }
    const held = await blocks(40, 10_000)
    const fresh = await blocks(60, 10_000)
    const first = await openBlockCache(limits)
    for (const { cid, bytes } of held) {
      await clock.run(Promise.resolve(first.put(cid, bytes)))
    }
    await clock.run(first.close())

    const cache = await openBlockCache(limits)
    files.fault = async () => clock.sleep(50)
    const outcomes: string[] = []
    const wrong: string[] = []
    const acknowledged: TestBlock[] = []
    const works = [
      ...held.map(async ({ cid, bytes }) => {
        try {
          if (Buffer.compare(await read(cache.get(cid)), bytes) !== 0) {
            wrong.push(cid.toString())
          }
          outcomes.push('read')
        } catch (err) {
          outcomes.push((err as Error).name)
        }
      }),
      ...fresh.map(async (each, i) => {
        const { cid, bytes } = each
        const done = i % 2 === 0 ? (async () => cache.put(cid, bytes))() : cache.admit(cid, bytes, { ...ORIGIN, wait: false })
        try {
          if (await done !== false) {
            acknowledged.push(each)
          }
          outcomes.push('written')
        } catch (err) {
          outcomes.push((err as Error).name)
        }
      })
    ]
    await clock.advance(120)
    await clock.stop(HOUR)
    await clock.run(Promise.all(works))

    expect(wrong).toEqual([])
    expect([...new Set(outcomes)].filter(each => !['read', 'written', 'NotFoundError', 'CacheDiskError'].includes(each))).toEqual([])
    files.fault = undefined
    await clock.advance(60_000)
    expect(cache.health()).toEqual({ state: 'ok' })
    for (const { cid, bytes } of [...held, ...acknowledged]) {
      expect(Buffer.compare(await clock.run(read(cache.get(cid))), bytes)).toBe(0)
    }
    await clock.run(cache.close())
    expect(clock.pending).toBe(0)
    const again = await openBlockCache(limits)
    for (const { cid, bytes } of [...held, ...acknowledged]) {
      expect(Buffer.compare(await clock.run(read(again.get(cid))), bytes)).toBe(0)
    }
    await clock.run(again.close())
  })
})

describe('a shared cache that hung', () => {
  it('is asked again after as long, whatever day it is said to be meanwhile', async () => {
    const clock = new SetClock()
    const server = await respServer()
    const { tier } = await testTier({ url: server.url }, { clock })
    const block = smallBlock(9)
    const held: Array<() => void> = []
    try {
      server.answer = ([command], socket) => {
        held.push(() => { socket.write(command === 'PING' ? '+PONG\r\n' : '$0\r\n\r\n') })
        return 'nothing'
      }
      for (let i = 0; i < 3; i++) {
        clock.offset = i * DAY
        expect(await clock.run(tier.get(smallBlock(i).multihash))).toBeUndefined()
      }
      await until(() => held.length === 3)
      server.answer = () => undefined
      held.forEach(answer => { answer() })
      server.values.set(block.key, Buffer.from(block.bytes))
      clock.offset = -DAY
      expect(tier.health().state).toBe('degraded')
      // the probe is real traffic: virtual time passes slowly enough for it
      await until(async () => {
        await clock.advance(5)
        return tier.health().state === 'ok'
      })
      expect(clock.now()).toBeLessThan(30_000)
      expect(await tier.get(block.multihash)).toEqual(block.bytes)
    } finally {
      await tier.close()
      await server.close()
    }
    expect(clock.pending).toBe(0)
  })

  it('is looked at when the process goes on after an hour, and not while no time passes', () => {
    let breaker = afterProbe(newBreaker, true, 0, 0)
    for (let i = 0; i < 3; i++) {
      breaker = afterFault(breaker, 1_000, 0)
    }
    expect(breaker.state).toBe('open')
    expect(probeBreaker(breaker, 1_000).state).toBe('open')
    const probing = probeBreaker(breaker, 1_000 + HOUR)
    expect(probing.state).toBe('half-open')
    // and is left alone for no longer than it would have been
    expect(afterProbe(probing, false, 1_000 + HOUR, 0)).toMatchObject({ state: 'open', until: 1_000 + HOUR + 1_000 })
    expect(afterProbe(probing, true, 1_000 + HOUR, 0).state).toBe('closed')
  })
})
