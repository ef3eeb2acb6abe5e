import { describe, expect, it } from 'vitest'
import { fetchTransport } from '../../../src/exchange/http/fetch-egress.ts'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { anywhere, attempt, block, failureOf, routeTo, want } from './attempt.ts'
import { transportContract } from './transport-contract.ts'
import type { FetchTransportInit } from '../../../src/exchange/http/fetch-egress.ts'
import type { HttpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'

const URL_OF_IT = 'https://gateway.example'

function fetcherOver (init: FetchTransportInit): HttpBlockFetcher {
  return httpBlockFetcher({ transport: fetchTransport({ policy: anywhere, ...init }), policy: anywhere })
}

describe('fetchTransport', () => {
  transportContract(policy => ({
    transport: fetchTransport({ policy }),
    // the platform owns the connections
    [Symbol.asyncDispose]: async () => {}
  }), { seesTheWire: false })

  it('sends nothing that tells who is asking, and keeps nothing', async () => {
    const asked: RequestInit[] = []
    const fetcher = fetcherOver({
      fetch: async (_url, init) => {
        asked.push(init ?? {})
        return new Response(block)
      }
    })

    await fetcher.fetch(await want(), routeTo(URL_OF_IT), attempt())

    expect(asked).toMatchObject([{ redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store' }])
  })

  it('knows a redirect that a browser only hints at', async () => {
    // what a browser answers to `redirect: 'manual'`
    const opaque = Object.defineProperties(new Response(null), { type: { value: 'opaqueredirect' }, status: { value: 0 } })
    const seen = attempt()

    const error = await failureOf(fetcherOver({ fetch: async () => opaque }), URL_OF_IT, seen)

    expect(error).toMatchObject({ outcome: 'refused' })
    expect(error.message).toContain('redirects')
    expect(seen.states).toEqual(['sent'])
  })

  it('takes what a browser says for what it is: no reason at all', async () => {
    const seen = attempt()

    const error = await failureOf(fetcherOver({ fetch: async () => { throw new TypeError('Failed to fetch') } }), URL_OF_IT, seen)

    expect(error).toMatchObject({ outcome: 'unreachable' })
    expect(seen.states).toEqual(['unknown'])
  })

  it('lets a browser unpack, up to the limit', async () => {
    const fetch = async (): Promise<Response> => new Response(block, { headers: { 'content-encoding': 'gzip', 'content-length': '3' } })

    expect(await fetcherOver({ fetch, decodes: true }).fetch(await want(), routeTo(URL_OF_IT), attempt())).toEqual(block)
    expect(await failureOf(fetcherOver({ fetch, decodes: true }), URL_OF_IT, attempt(), block.length - 1)).toMatchObject({ outcome: 'invalid' })
    expect(await failureOf(fetcherOver({ fetch, decodes: false }), URL_OF_IT)).toMatchObject({ outcome: 'invalid' })
  })

  it('takes an answer without a body for an empty one', async () => {
    expect(await fetcherOver({ fetch: async () => new Response(null) }).fetch(await want(), routeTo(URL_OF_IT), attempt())).toEqual(new Uint8Array(0))
  })

  it('names what is missing where there is no fetch', () => {
    expect(() => fetchTransport({ fetch: 'curl' as never })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})
