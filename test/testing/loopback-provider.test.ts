import { request } from 'node:http'
import { connect } from 'node:net'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { loopbackRouter } from '../../src/testing/loopback-router.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import type { LoopbackProvider, LoopbackProviderInit } from '../../src/testing/loopback-provider.ts'

const file = await sampleFile({ size: 64 * 1024, chunkSize: 1024 })
const leaf = file.others[0] as CID
const leafBytes = file.blocks.get(blockKey(leaf)) as Uint8Array
const missing = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')

const open: LoopbackProvider[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map(async provider => { await provider.close() }))
})

async function start (init: Partial<LoopbackProviderInit> = {}): Promise<LoopbackProvider> {
  const provider = await loopbackProvider({ blocks: file.blocks, ...init })
  open.push(provider)
  return provider
}

async function get (provider: LoopbackProvider, cid: CID | string = leaf, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${provider.url}/ipfs/${cid.toString()}?format=raw`, { redirect: 'manual', ...init })
}

async function bytesOf (response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer())
}

/** Resolves with what came and how it ended */
async function raw (provider: LoopbackProvider, path: string, until: (received: number) => boolean): Promise<{ bytes: number, ended: boolean }> {
  const { port } = new URL(provider.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  let bytes = 0
  return await new Promise(resolve => {
    socket.on('data', chunk => {
      bytes += chunk.byteLength
      if (until(bytes)) {
        socket.destroy()
        resolve({ bytes, ended: false })
      }
    })
    socket.on('error', () => { resolve({ bytes, ended: true }) })
    socket.on('end', () => {
      socket.destroy()
      resolve({ bytes, ended: true })
    })
  })
}

async function settled (provider: LoopbackProvider, index = 0): Promise<void> {
  await expect.poll(() => provider.requests[index]?.outcome, { interval: 1 }).not.toBe('pending')
}

describe('loopbackProvider', () => {
  it('serves raw blocks as a trustless gateway does, and logs the request', async () => {
    const provider = await start()
    const response = await get(provider)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/vnd.ipld.raw')
    expect(response.headers.get('content-length')).toBe('1024')
    expect(await bytesOf(response)).toEqual(leafBytes)
    await settled(provider)
    expect(provider.requests).toMatchObject([{ method: 'GET', status: 200, outcome: 'served', bytes: 1024, aborted: false }])
    expect(provider.requests[0]?.cid?.equals(leaf)).toBe(true)

    const head = await get(provider, leaf, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe('1024')
    expect(provider.requests[1]).toMatchObject({ method: 'HEAD', bytes: 0 })
    provider.clear()
    expect(provider.requests).toEqual([])
  })

  it('answers 404 for a block it lacks and 400 for a path that holds no CID', async () => {
    const provider = await start()
    expect((await get(provider, missing)).status).toBe(404)
    expect((await get(provider, 'nonsense')).status).toBe(400)
    expect((await fetch(`${provider.url}/`)).status).toBe(400)
    expect(provider.requests.map(r => r.outcome)).toEqual(['missing', 'bad-request', 'bad-request'])
  })

  it('serves from a blockstore, by multihash', async () => {
    const store = new MemoryBlockstore()
    await store.put(leaf, leafBytes)
    const provider = await start({ blocks: store })
    expect(await bytesOf(await get(provider))).toEqual(leafBytes)
    expect((await get(provider, missing)).status).toBe(404)
  })

  it('breaks the connection when the source of its blocks throws', async () => {
    const provider = await start({ blocks: { has: () => { throw new Error('disk on fire') }, get: () => [] } })
    await expect(get(provider)).rejects.toThrow()
    await settled(provider)
    expect(provider.requests[0]).toMatchObject({ outcome: 'faulty' })
  })

  it('lies: garbage, empty, short, html, all under status 200', async () => {
    const provider = await start({ behaviour: 'garbage' })
    const garbage = await bytesOf(await get(provider))
    expect(garbage.byteLength).toBe(1024)
    expect(garbage).not.toEqual(leafBytes)

    provider.set('empty')
    expect((await bytesOf(await get(provider))).byteLength).toBe(0)
    provider.set('short')
    expect(await bytesOf(await get(provider))).toEqual(leafBytes.subarray(0, 512))
    provider.set('html')
    const page = await get(provider)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(await page.text()).toContain('<html>')
    expect(provider.requests.every(r => r.status === 200 && r.outcome === 'faulty')).toBe(true)
  })

  it('never hits the right bytes by chance, though files and garbage are noise of the same dice', async () => {
    const small = await sampleFile({ size: 1, seed: 3 })
    const provider = await start({ blocks: small.blocks, behaviour: 'garbage', seed: 3 })
    for (let i = 0; i < 300; i++) {
      expect(await bytesOf(await get(provider, small.root))).not.toEqual(small.bytes)
    }
  })

  it('refuses: 500, 403, 429 with Retry-After, 302', async () => {
    const provider = await start({ behaviour: 'error' })
    expect((await get(provider)).status).toBe(500)
    provider.set({ kind: 'error', status: 503 })
    expect((await get(provider)).status).toBe(503)
    provider.set('refusing')
    expect((await get(provider)).status).toBe(403)
    provider.set({ kind: 'rate-limited', retryAfter: 1500 })
    const limited = await get(provider)
    expect(limited.status).toBe(429)
    expect(limited.headers.get('retry-after')).toBe('2')
    provider.set({ kind: 'redirect', location: 'http://127.0.0.1:1/away' })
    const moved = await get(provider)
    expect(moved.status).toBe(302)
    expect(moved.headers.get('location')).toBe('http://127.0.0.1:1/away')
  })

  it('is silent until the client gives up, and says so', async () => {
    const provider = await start({ behaviour: 'silent' })
    const controller = new AbortController()
    const answer = get(provider, leaf, { signal: controller.signal })
    await expect.poll(() => provider.requests.length, { interval: 1 }).toBe(1)
    expect(provider.requests[0]).toMatchObject({ outcome: 'pending', status: 0 })
    controller.abort()
    await expect(answer).rejects.toThrow()
    await settled(provider)
    expect(provider.requests[0]).toMatchObject({ outcome: 'faulty', aborted: true, bytes: 0 })
  })

  it('breaks off in the middle: truncated, and a Content-Length that lies either way', async () => {
    const provider = await start({ behaviour: 'truncated' })
    await expect(get(provider).then(bytesOf)).rejects.toThrow()
    await settled(provider)
    expect(provider.requests[0]).toMatchObject({ status: 200, bytes: 512, aborted: false })

    provider.set('lying-length')
    await expect(get(provider).then(bytesOf)).rejects.toThrow()
    expect(provider.requests[1]).toMatchObject({ bytes: 1024 })
    provider.set({ kind: 'lying-length', claims: 100 })
    const length = await new Promise<string | undefined>((resolve, reject) => {
      request(`${provider.url}/ipfs/${leaf}?format=raw`, response => {
        response.on('error', () => {}).resume()
        resolve(response.headers['content-length'])
      }).on('error', reject).end()
    })
    expect(length).toBe('100')
  })

  it('stalls after half the body and keeps the connection', async () => {
    const provider = await start({ behaviour: 'stalling' })
    const response = await get(provider)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let received = 0
    while (received < 512) {
      received += (await reader.read()).value?.byteLength ?? 0
    }
    expect(received).toBe(512)
    expect(provider.requests[0]).toMatchObject({ outcome: 'pending', bytes: 512 })
    await reader.cancel()
    await settled(provider)
    expect(provider.requests[0]).toMatchObject({ outcome: 'faulty', aborted: true })
  })

  it('goes on for ever when endless, and stops when the reader leaves', async () => {
    const provider = await start({ behaviour: 'endless' })
    const { bytes, ended } = await raw(provider, `/ipfs/${leaf}?format=raw`, received => received > 4_000_000)
    expect({ more: bytes > 4_000_000, ended }).toEqual({ more: true, ended: false })
    await settled(provider)
    expect(provider.requests[0]).toMatchObject({ aborted: true })
  })

  it('has the same half of the blocks at every request, another half with another seed, and always the exempt ones', async () => {
    const lacking = async (seed: number): Promise<string[]> => {
      const provider = await start({ seed, behaviour: { kind: 'partial', except: new Set([blockKey(file.root)]) } })
      const answers = await Promise.all([file.root, ...file.others].map(async cid => [cid.toString(), (await get(provider, cid)).status] as const))
      return answers.filter(([, status]) => status === 404).map(([cid]) => cid)
    }
    const first = await lacking(1)
    expect(first.length).toBeGreaterThan(20)
    expect(first.length).toBeLessThan(44)
    expect(first).not.toContain(file.root.toString())
    expect(await lacking(1)).toEqual(first)
    expect(await lacking(2)).not.toEqual(first)
  })

  it('flaps by its clock: good, then resets, then good', async () => {
    let now = 0
    const clock = { now: () => now, wall: () => now, schedule: () => () => {}, sleep: async () => {}, timeout: () => { throw new Error('unused') } }
    const provider = await start({ clock, behaviour: { kind: 'flapping', period: [100, 50] } })
    expect((await get(provider)).status).toBe(200)
    now = 120
    await expect(get(provider)).rejects.toThrow()
    now = 160
    expect((await get(provider)).status).toBe(200)
  })

  it('waits for its clock before the first byte and between slices', async () => {
    const waits: number[] = []
    const clock = {
      now: () => 0,
      wall: () => 0,
      schedule: (ms: number, fn: () => void) => {
        waits.push(ms)
        const timer = setImmediate(fn)
        return () => { clearImmediate(timer) }
      },
      sleep: async () => {},
      timeout: () => { throw new Error('unused') }
    }
    const provider = await start({ clock, behaviour: { kind: 'slow', firstByte: [30, 60], bytesPerSecond: 12_800 } })
    expect(await bytesOf(await get(provider))).toEqual(leafBytes)
    expect(waits[0]).toBeGreaterThanOrEqual(30)
    expect(waits[0]).toBeLessThan(60)
    // 1024 bytes at 256 per slice of 20 ms
    expect(waits.slice(1)).toEqual([20, 20, 20, 20])
  })

  it('closes with requests pending, twice without harm, and frees the port', async () => {
    const provider = await start({ behaviour: { kind: 'good', firstByte: 1_000_000 } })
    const answer = get(provider)
    await expect.poll(() => provider.requests.length, { interval: 1 }).toBe(1)
    await provider.close()
    await provider.close()
    await expect(answer).rejects.toThrow()
    await expect(get(provider)).rejects.toThrow()
  })

  it('names the option, the range and the value of a bad behaviour', async () => {
    await expect(start({ behaviour: { kind: 'partial', share: 2 } })).rejects.toThrow('share of a loopback behaviour must be a number from 0 to 1, got 2')
    await expect(start({ behaviour: { kind: 'slow', bytesPerSecond: 0 } })).rejects.toMatchObject({ name: 'InvalidOptionError' })
    await expect(start({ behaviour: { kind: 'slow', firstByte: [0, Number.NaN] } })).rejects.toThrow('firstByte')
    const provider = await start()
    expect(() => { provider.set({ kind: 'rate-limited', retryAfter: -1 }) }).toThrow('retryAfter')
    expect(provider.behaviour.kind).toBe('good')
  })
})

describe('loopbackRouter', () => {
  it('yields its gateways in order as Helia providers and counts lookups', async () => {
    const router = loopbackRouter({ providers: ['http://127.0.0.1:1', { url: 'http://127.0.0.1:2' }] })
    const found = []
    for await (const provider of router.findProviders(leaf)) {
      found.push(provider.multiaddrs.map(ma => ma.toString()))
    }
    expect(found).toEqual([['/ip4/127.0.0.1/tcp/1/http'], ['/ip4/127.0.0.1/tcp/2/http']])
    expect(router.lookups.map(cid => cid.equals(leaf))).toEqual([true])
  })
})

describe('sampleFile', () => {
  it('has as many different leaves as asked for, and the same ones for the same seed', async () => {
    const sample = await sampleFile({ size: 100 * 1024, chunkSize: 1024, distinct: 64 })
    expect(sample.bytes.byteLength).toBe(102_400)
    expect(sample.blocks.size).toBe(65)
    expect(sample.others).toHaveLength(64)
    expect((await sampleFile({ size: 100 * 1024, chunkSize: 1024, distinct: 64 })).root.equals(sample.root)).toBe(true)
    expect((await sampleFile({ size: 100 * 1024, chunkSize: 1024, distinct: 64, seed: 2 })).root.equals(sample.root)).toBe(false)
  })

  it('refuses sizes that are no sizes', async () => {
    await expect(sampleFile({ size: 0 })).rejects.toThrow('size of a sample file must be a whole number from 1, got 0')
  })
})
