import { once } from 'node:events'
import { createServer } from 'node:http'
import { CID } from 'multiformats/cid'
import { afterEach, describe, expect, it } from 'vitest'
import { drainCat } from '../../bench/exchange/drain-cat.ts'
import { compare, timed } from '../../bench/exchange/transfer.ts'
import { digestOf, seededBytes } from '../interop/sample-data.ts'
import type { Contestant } from '../../bench/exchange/transfer.ts'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const root = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')

describe('a comparison', () => {
  it('has all in turns, the last one first every other round, leaves the first round out, and gives medians', async () => {
    const turns: string[] = []
    const contestant = (name: string, times: number[]): Contestant => ({
      name,
      size: 1_000_000,
      async read () {
        turns.push(name)
        const ms = times.shift() ?? NaN
        return { ms, firstByteMs: ms / 10 }
      },
      async stop () {}
    })
    const [a, b] = await compare([contestant('a', [999, 30, 10, 20]), contestant('b', [1, 50, 50, 80])], 3)
    expect(turns.join('')).toBe('abbaabba')
    expect(a).toMatchObject({ mbps: 50, firstByteMs: 2 })
    expect(b).toMatchObject({ mbps: 20, firstByteMs: 5 })
    expect(a?.readings.map(({ ms }) => ms)).toEqual([30, 10, 20])
  })

  it('refuses a read that gave other bytes, or none', async () => {
    const digest = digestOf(seededBytes(3_000_000, 1))
    const source = (pieces: Iterable<Uint8Array>) => async function * (): AsyncGenerator<Uint8Array> { yield * pieces }
    const { ms, firstByteMs } = await timed(source(seededBytes(3_000_000, 1)), digest)
    expect(firstByteMs).toBeGreaterThan(0)
    expect(ms).toBeGreaterThanOrEqual(firstByteMs)
    await expect(timed(source(seededBytes(3_000_000, 2)), digest)).rejects.toThrow('not the file')
    await expect(timed(source(seededBytes(2_999_999, 1)), digest)).rejects.toThrow('not the file')
    await expect(timed(source([]), digestOf([]))).rejects.toThrow('not the file')
  })
})

describe('a drained cat', () => {
  const servers: Server[] = []

  afterEach(async () => {
    await Promise.all(servers.splice(0).map(async server => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    }))
  })

  async function serve (listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it.each([1, 65_536, 5_000_000])('counts %i bytes, without the head', async size => {
    const asked: string[] = []
    const url = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.end(Buffer.alloc(size))
    })
    const { ms, firstByteMs } = await drainCat(url, root, size)
    expect(asked).toEqual([`POST /api/v0/cat?arg=${root}`])
    expect(ms).toBeGreaterThanOrEqual(firstByteMs)
    expect(firstByteMs).toBeGreaterThan(0)
  })

  it('takes the time of the first byte of the body, not of the head', async () => {
    const url = await serve((_, response) => {
      response.flushHeaders()
      // what is measured is real time: a slow machine only makes it longer
      setTimeout(() => { response.end('body') }, 50)
    })
    expect((await drainCat(url, root, 4)).firstByteMs).toBeGreaterThan(40)
  })

  it('refuses an error and an answer that is too short or too long', async () => {
    await expect(drainCat(await serve((_, response) => { response.writeHead(500).end('{"Message":"no"}') }), root, 16)).rejects.toThrow(/refused to cat[^]*500/)
    await expect(drainCat(await serve((_, response) => { response.end('abc') }), root, 4)).rejects.toThrow('3 bytes of 4')
    await expect(drainCat(await serve((_, response) => { response.end('abcde') }), root, 4)).rejects.toThrow('5 bytes of 4')
    await expect(drainCat(await serve((_, response) => { response.destroy() }), root, 4)).rejects.toThrow()
  })
})
