import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockVerifier } from '../../../src/block/verify.ts'
import { loadRedisLibrary } from '../../../src/cache/shared/redis-connection-egress.ts'
import { bulk, respServer } from './resp-server.ts'
import { heat, smallBlock, testTier, until } from './tier.ts'
import type { Answer, RespServer } from './resp-server.ts'
import type { TestTier } from './tier.ts'

/** Patience that no busy machine exhausts, where a test is not about that */
const PATIENT = { timeout: 10_000, connectTimeout: 10_000 }

let server: RespServer
const open: TestTier[] = []

async function tierOf (...args: Parameters<typeof testTier>): Promise<TestTier> {
  const opened = await testTier(...args)
  open.push(opened)
  return opened
}

/** To one command, on and on */
function to (name: string, answer: Answer | 'nothing'): void {
  server.answer = ([command]) => command === name ? answer : undefined
}

function count (name: string): number {
  return server.commands.filter(([command]) => command === name).length
}

beforeEach(async () => {
  server = await respServer()
})

afterEach(async () => {
  await Promise.all(open.splice(0).map(async ({ tier }) => { await tier.close() }))
  await server.close()
})

describe('a shared tier', () => {
  it('gives back what was offered twice, and nothing that was offered once', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const [hot, cold] = [smallBlock(1), smallBlock(2)]

    tier.offer(cold.multihash, cold.bytes)
    heat(tier, hot)
    await until(() => tier.stats().written === 1)
    expect([...server.values.keys()]).toEqual([hot.key])
    expect(await tier.get(hot.multihash)).toEqual(hot.bytes)
    expect(await tier.get(cold.multihash)).toBeUndefined()
    expect(tier.stats()).toEqual({ asked: 3, hits: 1, misses: 1, bypassed: 0, late: 0, written: 1, dropped: 0, damaged: 0, outages: 0 })
    expect(tier.health()).toEqual({ state: 'ok' })
  })

  it('is written to once, and again when a read has shown that a block is gone', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    heat(tier, block)
    await until(() => tier.stats().written === 1)
    heat(tier, block)
    server.values.clear()
    expect(await tier.get(block.multihash)).toBeUndefined()
    tier.offer(block.multihash, block.bytes)
    await until(() => tier.stats().written === 2)
    expect(count('SET')).toBe(2)
  })

  it('leaves out what it was told to read from there just now', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    expect(await tier.get(block.multihash)).toEqual(block.bytes)
    heat(tier, block)
    expect(await tier.get(block.multihash)).toEqual(block.bytes)
    expect(count('SET')).toBe(0)
  })

  it('is for small blocks that have bytes', async () => {
    const { tier } = await tierOf({ url: server.url, maxBlockBytes: 1000, ...PATIENT })
    heat(tier, smallBlock(1, 1001))
    heat(tier, { ...smallBlock(2), bytes: new Uint8Array() })
    heat(tier, smallBlock(3, 1000))
    await until(() => tier.stats().written === 1)
    expect(server.values.size).toBe(1)
  })

  it('gives blocks a time, a prefix and a database', async () => {
    const { tier } = await tierOf({ url: `${server.url}/3`, ttl: 5000, keyPrefix: 'mine:', ...PATIENT })
    const block = smallBlock(1)
    heat(tier, block)
    await until(() => tier.stats().written === 1)
    expect(server.commands[0]).toEqual(['SELECT', '3'])
    expect(server.commands.find(([command]) => command === 'SET')).toEqual(['SET', block.key.replace('portolan:1:', 'mine:'), expect.anything(), 'PX', '5000'])
  })

  it('asks nothing where bytes cannot be told by their hash', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const identity = Uint8Array.of(0, 3, 1, 2, 3)
    const sha1 = Uint8Array.from([0x11, 20, ...new Uint8Array(20)])
    for (const multihash of [identity, sha1, Uint8Array.of(1), new Uint8Array()]) {
      expect(await tier.get(multihash)).toBeUndefined()
      heat(tier, { multihash, bytes: Uint8Array.of(1), key: '' })
    }
    await tier.close()
    expect(count('GETRANGE') + count('SET')).toBe(0)
  })

  it('says what is missing when the package is not installed', async () => {
    const missing = Object.assign(new Error("Cannot find package 'ioredis'"), { code: 'ERR_MODULE_NOT_FOUND' })
    await expect(loadRedisLibrary(async () => { throw missing })).rejects.toMatchObject({
      name: 'MissingDependencyError',
      message: expect.stringContaining('npm install ioredis') as string,
      cause: missing
    })
  })
})

describe('what a shared tier tells the ledger', () => {
  const states = ({ disclosed }: TestTier): string[] => disclosed.map(({ purpose, state }) => `${purpose} ${state}`)

  it('is every command that names a block, to a party of its own', async () => {
    const opened = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    await opened.tier.get(block.multihash)
    heat(opened.tier, block)
    await until(() => opened.tier.stats().written === 1)
    server.values.set(block.key, Buffer.from('something else'))
    await opened.tier.get(block.multihash)
    await until(() => !server.values.has(block.key))
    await until(() => states(opened).every(state => !state.endsWith('intended')))

    expect(states(opened)).toEqual(['read sent', 'serve sent', 'read sent', 'read sent'])
    expect(opened.disclosed[0]).toMatchObject({ observer: `party:${server.url}`, form: 'multihash', transport: 'redis', audience: 'one' })
    expect(count('GETRANGE') + count('SET') + count('DEL')).toBe(4)
  })

  it('is sent for an error too, and unknown when the connection broke', async () => {
    const opened = await tierOf({ url: server.url, ...PATIENT })
    to('GETRANGE', '-ERR not today\r\n')
    await opened.tier.get(smallBlock(1).multihash)
    to('GETRANGE', 'nothing')
    const reading = opened.tier.get(smallBlock(2).multihash)
    await until(() => count('GETRANGE') === 2)
    server.dropAll()
    expect(await reading).toBeUndefined()
    expect(states(opened)).toEqual(['read sent', 'read unknown'])
  })

  it('is nothing while it is not asked', async () => {
    const opened = await tierOf({ url: server.url, ...PATIENT })
    await opened.tier.close()
    await opened.tier.get(smallBlock(1).multihash)
    heat(opened.tier, smallBlock(2))
    expect(opened.disclosed).toEqual([])
  })

  it('decides: without a request nothing is asked', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT }, { request: () => undefined })
    expect(await tier.get(smallBlock(1).multihash)).toBeUndefined()
    heat(tier, smallBlock(2))
    await until(() => tier.stats().dropped === 1)
    expect(tier.stats().bypassed).toBe(1)
    expect(count('GETRANGE') + count('SET')).toBe(0)
  })
})

describe('bytes of a shared tier', () => {
  it.each<[string, Answer]>([
    ['other bytes', bulk('something else')],
    ['too many bytes', bulk(new Uint8Array(65_537))],
    ['another type', '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n']
  ])('are never served wrong: %s are deleted there, counted, and read as a miss', async (_, answer) => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from('x'))
    to('GETRANGE', answer)
    expect(await tier.get(block.multihash)).toBeUndefined()
    await until(() => !server.values.has(block.key))
    expect(tier.stats()).toMatchObject({ hits: 0, misses: 1, damaged: 1, late: 0 })
    expect(tier.health()).toEqual({ state: 'ok' })
  })

  it('are asked for with a limit, whatever is there', async () => {
    const { tier } = await tierOf({ url: server.url, maxBlockBytes: 500, ...PATIENT })
    await tier.get(smallBlock(1).multihash)
    expect(server.commands.at(-1)).toEqual(['GETRANGE', smallBlock(1).key, '0', '500'])
  })

  it('belong to whoever asked: no part of a larger buffer', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    const bytes = await tier.get(block.multihash)
    expect(bytes?.buffer.byteLength).toBe(block.bytes.length)
    expect(bytes).not.toBeInstanceOf(Buffer)
  })

  it('are hashed once', async () => {
    const verifier = blockVerifier()
    const { tier } = await tierOf({ url: server.url, ...PATIENT }, { verifier })
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    await tier.get(block.multihash)
    expect(verifier.hashed).toBe(1)
  })
})

describe('a server that misbehaves', () => {
  it.each<[string, Answer]>([
    ['speaks something else', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['sends what ioredis throws for, twice', '$1\r\na\r\n$-1\r\n'],
    ['pushes nulls', '>1\r\n$-1\r\n'],
    ['promises half a gigabyte', '$536870912\r\n'],
    ['sends noise', Uint8Array.from({ length: 5000 }, (_, at) => at * 31 % 256)]
  ])('and %s loses the connection, and nothing else', async (_, answer) => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    to('GETRANGE', answer)
    expect(await tier.get(smallBlock(1).multihash)).toBeUndefined()
    await until(() => tier.health().state === 'degraded')
    server.answer = () => undefined
    await until(() => tier.health().state === 'ok')
    expect(tier.stats()).toMatchObject({ hits: 0, outages: 1 })
  })

  it.each(['PING', 'INFO', 'AUTH'])('from the start, at %s, is not used, and its words say no password', async name => {
    to(name, '-ERR you said "correct-horse" \u001b[2J\r\n')
    const { tier, said } = await tierOf({ url: server.url.replace('//', '//:correct-horse@'), ...PATIENT })
    // whoever may not ask how memory is managed may still read and write
    expect(tier.health().state).toBe(name === 'INFO' ? 'ok' : 'degraded')
    expect(said.length).toBeGreaterThan(0)
    const words = `${said.join('\n')} ${tier.health().reason}`
    expect(words).not.toContain('\u001b')
    expect(words).not.toContain('correct-horse')
  })

  it('and never answers a login holds up the start no longer than it may', async () => {
    to('AUTH', 'nothing')
    const { tier } = await tierOf({ url: server.url, password: 'a', connectTimeout: 100 })
    expect(tier.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('no connection within 100 ms') as string })
  })

  it('and answers reads with errors is left alone', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    to('GETRANGE', '-LOADING Redis is loading the dataset in memory\r\n')
    for (let i = 0; i < 10; i++) {
      expect(await tier.get(smallBlock(i).multihash)).toBeUndefined()
    }
    expect(count('GETRANGE')).toBe(3)
    expect(tier.stats().bypassed).toBe(7)
    expect(tier.health().reason).toContain('LOADING')
  })

  it('and takes no more blocks is only read', async () => {
    const { tier, said } = await tierOf({ url: server.url, ...PATIENT })
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    to('SET', "-OOM command not allowed when used memory > 'maxmemory'.\r\n")
    heat(tier, smallBlock(2))
    await until(() => tier.stats().dropped === 1)
    heat(tier, smallBlock(3))
    expect(await tier.get(block.multihash)).toEqual(block.bytes)
    expect(count('SET')).toBe(1)
    expect(tier.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('OOM') as string })
    expect(said.at(-1)).toContain('OOM')
  })
})

describe('readers of a shared tier', () => {
  it('leave when their signal says so, and the answer that comes later is nobody\'s', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    to('GETRANGE', 'nothing')
    const reason = new Error('changed my mind')
    const controller = new AbortController()
    const reading = tier.get(smallBlock(1).multihash, { signal: controller.signal })
    await until(() => count('GETRANGE') === 1)
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    await expect(tier.get(smallBlock(1).multihash, { signal: controller.signal })).rejects.toBe(reason)
    expect(tier.health()).toEqual({ state: 'ok' })
  })

  it('of one block at once ask for it once, and stay while others leave', async () => {
    const { tier, disclosed } = await tierOf({ url: server.url, ...PATIENT })
    const { multihash, key, bytes } = smallBlock(1)
    server.values.set(key, Buffer.from(bytes))
    const controller = new AbortController()
    const leaving = tier.get(multihash, { signal: controller.signal })
    const staying = Array.from({ length: 5 }, async () => tier.get(multihash))
    controller.abort(new Error('changed my mind'))

    await expect(leaving).rejects.toThrow('changed my mind')
    expect(await Promise.all(staying)).toEqual(staying.map(() => bytes))
    expect(count('GETRANGE')).toBe(1)
    expect(disclosed.map(({ state }) => state)).toEqual(['sent'])
    expect(await tier.get(multihash)).toEqual(bytes)
    expect(count('GETRANGE')).toBe(2)
  })

  it('begin anew when those before them have left', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const { multihash, key, bytes } = smallBlock(1)
    server.values.set(key, Buffer.from(bytes))
    const controller = new AbortController()
    const leaving = tier.get(multihash, { signal: controller.signal })
    controller.abort(new Error('changed my mind'))
    await expect(leaving).rejects.toThrow('changed my mind')
    expect(await tier.get(multihash)).toEqual(bytes)
  })

  it('are as many as it takes at once, and no more', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    to('GETRANGE', 'nothing')
    const reads = Array.from({ length: 300 }, async (_, i) => tier.get(smallBlock(i).multihash))
    await until(() => count('GETRANGE') === 256)
    expect(tier.stats()).toMatchObject({ asked: 256, bypassed: 44 })
    await tier.close()
    expect(await Promise.all(reads)).toEqual(reads.map(() => undefined))
  })

  it('that come together go out together, and each gets its own', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    const blocks = Array.from({ length: 200 }, (_, i) => smallBlock(i))
    for (const { key, bytes } of blocks) {
      server.values.set(key, Buffer.from(bytes))
    }
    expect(await Promise.all(blocks.map(async ({ multihash }) => tier.get(multihash)))).toEqual(blocks.map(({ bytes }) => bytes))
    expect(server.connections).toBe(1)
  })

  it('need not wait for a close that comes while it looks whether the server is back', async () => {
    const { tier } = await tierOf({ url: server.url.replace('//', '//:a@'), ...PATIENT })
    to('AUTH', 'nothing')
    server.dropAll()
    await until(() => count('AUTH') === 2)
    await tier.close()
    expect(tier.health().reason).toContain('closed')
  })

  it('are let go when it is closed, with everything that was queued', async () => {
    const { tier } = await tierOf({ url: server.url, ...PATIENT })
    to('SET', 'nothing')
    for (let i = 0; i < 2000; i++) {
      heat(tier, smallBlock(i, 60_000))
    }
    // 4 under way and 69 of 60 000 bytes in 4 MiB
    expect(tier.stats().dropped).toBe(2000 - 4 - 69)
    await tier.close()
    await tier.close()
    expect(tier.stats()).toMatchObject({ written: 0, dropped: 2000 })
    expect(await tier.get(smallBlock(1).multihash)).toBeUndefined()
    expect(tier.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('closed') as string })
  })
})
