import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STALL_TIMEOUT } from '../../../src/cache/shared/redis-connection-egress.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { respServer } from './resp-server.ts'
import { heat, smallBlock, testTier, until } from './tier.ts'
import type { RespServer } from './resp-server.ts'
import type { TestTier } from './tier.ts'

let server: RespServer
let clock: VirtualClock
let opened: TestTier

/** All commands, or those of a name, stay without an answer */
function hang (name?: string): void {
  server.answer = ([command]) => name == null || command === name ? 'nothing' : undefined
}

/** In virtual ms */
async function readTime (number: number): Promise<number> {
  const begun = clock.now()
  expect(await clock.run(opened.tier.get(smallBlock(number).multihash))).toBeUndefined()
  return clock.now() - begun
}

beforeEach(async () => {
  server = await respServer()
  clock = new VirtualClock()
  opened = await testTier({ url: server.url }, { clock })
  expect(opened.tier.health()).toEqual({ state: 'ok' })
})

afterEach(async () => {
  await opened.tier.close()
  await server.close()
  expect(clock.pending).toBe(0)
})

describe('a shared cache that hangs', () => {
  it('costs one read after the other 50 ms, three times, and then nothing', async () => {
    hang()
    const times: number[] = []
    for (let i = 0; i < 100; i++) {
      times.push(await readTime(i))
    }
    expect(times).toEqual([50, 50, 50, ...Array<number>(97).fill(0)])
    expect(opened.tier.stats()).toMatchObject({ asked: 3, late: 3, bypassed: 97, outages: 1 })
  })

  it('costs a hundred reads at once 50 ms together', async () => {
    hang()
    const begun = clock.now()
    const reads = Promise.all(Array.from({ length: 100 }, async (_, i) => opened.tier.get(smallBlock(i).multihash)))
    expect(await clock.run(reads)).toEqual(Array(100).fill(undefined))
    expect(clock.now() - begun).toBe(50)
    expect(opened.tier.stats()).toMatchObject({ asked: 100, late: 100, bypassed: 0, outages: 1 })
  })

  it('lets those go who came last as soon as it is given up', async () => {
    hang()
    await readTime(1)
    await readTime(2)
    const first = opened.tier.get(smallBlock(3).multihash)
    await clock.run(clock.sleep(20))
    const last = opened.tier.get(smallBlock(4).multihash)
    const begun = clock.now()
    expect(await clock.run(Promise.all([first, last]))).toEqual([undefined, undefined])
    expect(clock.now() - begun).toBe(30)
  })

  it('loses its connection after a while, and then every disclosure is settled', async () => {
    hang()
    await readTime(1)
    heat(opened.tier, smallBlock(2))
    expect(opened.disclosed.map(({ state }) => state)).toEqual(['intended', 'intended'])
    // watched from the last answer on, and looked at every so often
    await clock.run(clock.sleep(2 * STALL_TIMEOUT))
    // nothing broke: it was told, and we left
    await until(() => opened.disclosed.every(({ state }) => state === 'sent'))
    expect(opened.tier.health().reason).toContain(`nothing for ${STALL_TIMEOUT} ms`)
  })

  it('is asked again when a probe came back, which no read pays for', async () => {
    const held: Array<() => void> = []
    server.answer = ([command], socket) => {
      held.push(() => { socket.write(command === 'PING' ? '+PONG\r\n' : '$0\r\n\r\n') })
      return 'nothing'
    }
    for (let i = 0; i < 3; i++) {
      await readTime(i)
    }
    await until(() => held.length === 3)

    // it wakes up, and answers what it was asked
    server.answer = () => undefined
    for (const answer of held) {
      answer()
    }
    const block = smallBlock(9)
    server.values.set(block.key, Buffer.from(block.bytes))
    // the probe is real traffic: virtual time passes slowly enough for it
    await until(async () => {
      await clock.advance(5)
      return opened.tier.health().state === 'ok'
    })
    expect(await opened.tier.get(block.multihash)).toEqual(block.bytes)
  })
})

describe('a shared cache that is slow to take blocks', () => {
  it('holds nobody up, and no more than four of them', async () => {
    hang('SET')
    for (let i = 0; i < 300; i++) {
      heat(opened.tier, smallBlock(i))
    }
    await until(() => server.commands.filter(([command]) => command === 'SET').length === 4)
    expect(opened.tier.stats()).toMatchObject({ written: 0, dropped: 300 - 4 - 256 })
    expect(server.commands.filter(([command]) => command === 'SET')).toHaveLength(4)
  })
})

describe('a shared cache where nothing is evicted', () => {
  it('is only read, and written to when that was changed, without a new connection', async () => {
    await opened.tier.close()
    let policy = 'noeviction'
    server.answer = ([command]) => command === 'INFO' ? `$${`maxmemory_policy:${policy}\r\n`.length}\r\nmaxmemory_policy:${policy}\r\n\r\n` : undefined
    opened = await testTier({ url: server.url }, { clock })
    const block = smallBlock(1)
    expect(opened.tier.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('noeviction') as string })
    expect(opened.said.join('\n')).toContain('CONFIG SET maxmemory-policy allkeys-lru')

    heat(opened.tier, block)
    expect(opened.tier.stats()).toMatchObject({ dropped: 1 })
    server.values.set(block.key, Buffer.from(block.bytes))
    expect(await opened.tier.get(block.multihash)).toEqual(block.bytes)

    policy = 'allkeys-lfu'
    await clock.run(clock.sleep(60_000))
    await until(() => {
      heat(opened.tier, smallBlock(2))
      return server.values.has(smallBlock(2).key)
    })
    expect(opened.tier.health()).toEqual({ state: 'ok' })
    expect(server.connections).toBe(2)
  })
})
