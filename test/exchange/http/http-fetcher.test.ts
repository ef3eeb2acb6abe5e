import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { TransportError } from '../../../src/interface/http-transport.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { anywhere, attempt, block, failureOf, provider, routeTo, want } from './attempt.ts'
import { head, wireServer } from './wire-server.ts'
import type { HttpBlockFetcherInit } from '../../../src/exchange/http/http-fetcher.ts'
import type { HttpResponse, HttpTransport } from '../../../src/interface/http-transport.ts'

const URL_OF_IT = 'http://gateway.example'

/** A transport that answers with what it is given, and counts how it was left */
function answering (init: { status?: number, headers?: Record<string, string>, chunks?: Uint8Array[], decoded?: boolean }): HttpTransport & { asked: number, left: number } {
  const transport = {
    asked: 0,
    left: 0,
    request: async (): Promise<HttpResponse> => {
      transport.asked++
      const chunks = [...init.chunks ?? []]
      return {
        status: init.status ?? 200,
        headers: { get: name => init.headers?.[name] },
        decoded: init.decoded ?? false,
        discard: () => { transport.left++ },
        body: {
          [Symbol.asyncIterator]: () => ({
            next: async () => {
              const value = chunks.shift()
              return value === undefined ? { done: true, value } : { done: false, value }
            },
            return: async () => {
              transport.left++
              return { done: true, value: undefined }
            }
          })
        }
      }
    }
  }
  return transport
}

function failing (...errors: unknown[]): HttpTransport & { asked: number } {
  const transport = {
    asked: 0,
    request: async (): Promise<never> => { throw errors[Math.min(transport.asked++, errors.length - 1)] }
  }
  return transport
}

function fetcherOver (transport: HttpTransport, init: Partial<HttpBlockFetcherInit> = {}): ReturnType<typeof httpBlockFetcher> {
  return httpBlockFetcher({ transport, policy: anywhere, ...init })
}

describe('onlyIfCached', () => {
  it.each([[412], [504], [404]])('asks for what is there and takes %i for: not here', async status => {
    const headers: Array<Record<string, string>> = []
    const transport = answering({ status })
    const fetcher = fetcherOver({
      request: async (request, disclosure) => {
        headers.push(request.headers)
        return transport.request(request, disclosure)
      }
    }, { onlyIfCached: true })
    expect(await failureOf(fetcher, URL_OF_IT)).toMatchObject({ outcome: 'not-here' })
    expect(headers).toEqual([{ accept: 'application/vnd.ipld.raw', 'accept-encoding': 'identity', 'cache-control': 'only-if-cached' }])
    expect(transport.left).toBe(1)
  })

  it('is asked of nobody else, for whom 504 is trouble', async () => {
    expect(await failureOf(fetcherOver(answering({ status: 504 })), URL_OF_IT)).toMatchObject({ outcome: 'overloaded' })
  })
})

describe('routes', () => {
  const policy = addressPolicy({ allow: ['127.0.0.1'] })
  const fetcher = httpBlockFetcher({ transport: failing(new Error('not asked')), policy })

  it('has one per HTTP origin that the policy allows', () => {
    const known = {
      ...provider('https://gateway.example', 'p2p:12D3KooWExample'),
      addresses: ['/ip4/1.2.3.4/tcp/4001', 'https://gateway.example', 'http://127.0.0.1:8080', 'http://10.0.0.1']
    }

    expect(fetcher.routes(known)).toEqual([
      { provider: known.id, transport: 'http', address: 'https://gateway.example' },
      { provider: known.id, transport: 'http', address: 'http://127.0.0.1:8080' }
    ])
    expect(fetcher.routes(known)).toBe(fetcher.routes(known))
    expect(fetcher.unusable(known)).toMatch(/10\.0\.0\.1:80 is refused/)
  })

  it('has none for a provider without HTTP, and nothing to explain', () => {
    const known = { ...provider(URL_OF_IT), addresses: ['/ip4/1.2.3.4/tcp/4001'] }

    expect(fetcher.routes(known)).toEqual([])
    expect(fetcher.unusable(known)).toBeUndefined()
  })

  it('names every address that was refused', () => {
    const known = { ...provider(URL_OF_IT), addresses: ['http://10.0.0.1', 'http://[fd00::1]:8080', 'http://169.254.169.254'] }

    expect(fetcher.routes(known)).toEqual([])
    expect(fetcher.unusable(known)).toMatch(/10\.0\.0\.1.*; .*fd00::1.*; .*169\.254\.169\.254/)
  })
})

describe('fetch', () => {
  it('leaves a body that is longer than it announced at the first byte too many', async () => {
    const transport = answering({ headers: { 'content-length': '3' }, chunks: [Uint8Array.of(1, 2), Uint8Array.of(3, 4), Uint8Array.of(5)] })

    const error = await failureOf(fetcherOver(transport), URL_OF_IT)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('longer than the 3 bytes it announced')
    expect(transport.left).toBe(1)
  })

  it('caps what a platform unpacked by itself', async () => {
    const chunk = new Uint8Array(600)
    const headers = { 'content-length': '20', 'content-encoding': 'gzip' }

    expect(await fetcherOver(answering({ decoded: true, headers, chunks: [chunk] })).fetch(await want(block, 1000), routeTo(URL_OF_IT), attempt())).toEqual(chunk)
    expect(await failureOf(fetcherOver(answering({ decoded: true, headers, chunks: [chunk, chunk] })), URL_OF_IT, attempt(), 1000)).toMatchObject({ outcome: 'invalid' })
  })

  it('discards what it does not want', async () => {
    const transport = answering({ status: 404 })

    await failureOf(fetcherOver(transport), URL_OF_IT)

    expect(transport.left).toBe(1)
  })

  it('reads a date to come back at on the wall clock, and bounds it', async () => {
    const clock = new VirtualClock()
    const at = (ms: number): HttpTransport => answering({ status: 503, headers: { 'retry-after': new Date(clock.wall() + ms).toUTCString() } })

    expect(await failureOf(fetcherOver(at(30_000), { clock }), URL_OF_IT)).toMatchObject({ outcome: 'overloaded', retryAfter: 30_000 })
    expect(await failureOf(fetcherOver(at(3_600_000), { clock }), URL_OF_IT)).toMatchObject({ retryAfter: 600_000 })
    expect(await failureOf(fetcherOver(at(3_600_000), { clock, maxRetryAfter: 5000 }), URL_OF_IT)).toMatchObject({ retryAfter: 5000 })
    expect((await failureOf(fetcherOver(answering({ status: 403, headers: { 'retry-after': '5' } })), URL_OF_IT)).retryAfter).toBeUndefined()
  })

  it.each([
    ['dns', 'unreachable'],
    ['connect', 'unreachable'],
    ['tls', 'unreachable'],
    ['lost', 'unreachable'],
    ['network', 'unreachable'],
    ['truncated', 'invalid'],
    ['protocol', 'invalid'],
    ['redirect', 'refused']
  ] as const)('calls a failure of kind %s %s', async (kind, outcome) => {
    const cause = new TransportError(kind, 'something happened')

    const error = await failureOf(fetcherOver(failing(cause)), URL_OF_IT)

    expect(error).toMatchObject({ outcome, cause, provider: 'http:gateway.example', message: 'http:gateway.example: something happened' })
  })

  it('asks again once, and discloses again, when a kept connection had died', async () => {
    const stale = new TransportError('lost', 'it had died', { stale: true })
    const transport = failing(stale)
    const seen = attempt()

    expect(await failureOf(fetcherOver(transport), URL_OF_IT, seen)).toMatchObject({ outcome: 'unreachable', cause: stale })
    expect(transport.asked).toBe(2)
    expect(seen.entries).toHaveLength(2)

    const fresh = failing(new TransportError('lost', 'it broke'))
    await failureOf(fetcherOver(fresh), URL_OF_IT)
    expect(fresh.asked).toBe(1)
  })

  it('names the address beside a provider that is a peer', async () => {
    const route = { ...routeTo('https://gateway.example'), provider: 'p2p:12D3KooWExample' as const }
    const fetching = fetcherOver(answering({ status: 404 })).fetch(await want(), route, attempt())

    await expect(fetching).rejects.toThrow('p2p:12D3KooWExample at https://gateway.example answered 404')
  })

  it('says so when a route has no address', async () => {
    const transport = answering({})
    const fetching = fetcherOver(transport).fetch(await want(), { provider: 'http:gateway.example', transport: 'http' }, attempt())

    await expect(fetching).rejects.toMatchObject({ name: 'FetchError', outcome: 'unreachable' })
    expect(transport.asked).toBe(0)
  })

  it('asks nobody when the request may not disclose', async () => {
    const transport = answering({})
    const refusal = new Error('not in this mode')
    const seen = attempt()
    const request = { ...seen.request, disclose: () => { throw refusal } }

    await expect(fetcherOver(transport).fetch(await want(), routeTo(URL_OF_IT), { ...seen, request })).rejects.toBe(refusal)
    expect(transport.asked).toBe(0)
  })

  it('closes its transport when it is stopped', async () => {
    let closed = 0
    await fetcherOver({ ...failing(), close: async () => { closed++ } }).stop()
    await fetcherOver(failing()).stop()

    expect(closed).toBe(1)
  })
})

describe('over the wire', () => {
  it('gives the same bytes however the answer was cut', async () => {
    const transport = undiciTransport({ policy: anywhere })
    let next = Buffer.alloc(0)
    let cuts: number[] = []
    const server = await wireServer(({ socket }) => {
      const edges = [0, ...cuts.map(cut => cut % (next.length + 1)).sort((a, b) => a - b), next.length]
      const write = (i: number): void => {
        const edge = edges[i + 1]
        if (edge !== undefined && !socket.destroyed) {
          // one turn of the event loop between pieces, so that they travel apart
          socket.write(next.subarray(edges[i], edge), () => { setImmediate(() => { write(i + 1) }) })
        }
      }
      write(0)
    })

    await fc.assert(fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }), fc.boolean(), fc.array(fc.nat(10_000), { maxLength: 12 }),
      async (body, chunked, at) => {
        cuts = at
        next = chunked
          ? Buffer.concat([head(200, { 'Transfer-Encoding': 'chunked' }), ...body.length === 0 ? [] : [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')], Buffer.from('0\r\n\r\n')])
          : Buffer.concat([head(200, { 'Content-Length': String(body.length) }), body])

        expect(await fetcherOver(transport).fetch(await want(), routeTo(server.url), attempt())).toEqual(Uint8Array.from(body))
      }
    ), { numRuns: 60 })

    expect(server.sockets).toHaveLength(1)
    await transport.close()
    await server[Symbol.asyncDispose]()
  })
})
