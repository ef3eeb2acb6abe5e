import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { attempt, anywhere, block, failureOf, routeTo, want } from './attempt.ts'
import { head, ok, response, wireServer } from './wire-server.ts'
import type { HttpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import type { HttpTransport } from '../../../src/interface/http-transport.ts'
import type { AddressPolicy } from '../../../src/provider/address.ts'

export interface Traits {
  /** Sees the socket, so it can tell what was sent when it gave up */
  readonly seesTheWire: boolean
}

/** Closes what the transport made itself */
export interface Made extends AsyncDisposable {
  readonly transport: HttpTransport
}

/** Everything a transport and the fetcher over it must do, against servers that do everything a server must not */
export function transportContract (make: (policy: AddressPolicy) => Made, { seesTheWire }: Traits): void {
  function fetcherOver ({ transport }: Made): HttpBlockFetcher {
    return httpBlockFetcher({ transport, policy: anywhere })
  }

  it('asks a trustless gateway for a raw block and reports every phase', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using made = make(anywhere)
    const asked = await want()
    const seen = attempt()

    const bytes = await fetcherOver(made).fetch(asked, routeTo(server.url), seen)

    expect(bytes).toEqual(block)
    expect(bytes.constructor).toBe(Uint8Array)
    expect(server.requests.map(({ line }) => line)).toEqual([`GET /ipfs/${asked.cid.toString()}?format=raw HTTP/1.1`])
    expect(server.requests[0]?.headers).toMatchObject({
      host: `127.0.0.1:${server.port}`,
      accept: 'application/vnd.ipld.raw',
      'accept-encoding': 'identity'
    })
    expect(Object.keys(server.requests[0]?.headers ?? {})).not.toEqual(expect.arrayContaining(['cookie', 'referer', 'authorization']))
    expect(seen.events).toEqual(['connected', 'first-byte', block.length])
    expect(seen.entries).toMatchObject([{
      observer: `http:127.0.0.1:${server.port}`, form: 'cid', transport: 'http', audience: 'one', state: 'sent'
    }])
  })

  it('puts a block together from chunks of any size, with or without a length', async () => {
    const large = new Uint8Array(300_000).map((_, i) => i % 251)
    await using server = await wireServer(({ socket, nth }) => {
      if (nth === 0) {
        socket.write(ok(large))
        return
      }
      socket.write(head(200, { 'Transfer-Encoding': 'chunked' }))
      for (let at = 0; at < large.length; at += 7777) {
        const part = large.subarray(at, at + 7777)
        socket.write(`${part.length.toString(16)}\r\n`)
        socket.write(part)
        socket.write('\r\n')
      }
      socket.write('0\r\n\r\n')
    })
    await using made = make(anywhere)
    const fetcher = fetcherOver(made)
    const first = attempt()

    expect(await fetcher.fetch(await want(large), routeTo(server.url), first)).toEqual(large)
    expect(await fetcher.fetch(await want(large), routeTo(server.url), attempt())).toEqual(large)
    expect(first.events.filter(event => typeof event === 'number').reduce((sum, n) => sum + n, 0)).toBe(large.length)
  })

  it('takes a body that ends with the connection', async () => {
    await using server = await wireServer(({ socket }) => { socket.end(Buffer.concat([head(200, { Connection: 'close' }), block])) })
    await using made = make(anywhere)

    expect(await fetcherOver(made).fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
  })

  it('passes an empty body on: whether it is the empty block is for the verifier', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok('')) })
    await using made = make(anywhere)

    expect(await fetcherOver(made).fetch(await want(), routeTo(server.url), attempt())).toEqual(new Uint8Array(0))
  })

  it.each([
    [404, 'not-here'],
    [412, 'not-here'],
    [400, 'refused'],
    [401, 'refused'],
    [403, 'refused'],
    [406, 'refused'],
    [410, 'refused'],
    [451, 'refused'],
    [408, 'unreachable'],
    [429, 'overloaded'],
    [502, 'overloaded'],
    [503, 'overloaded'],
    [504, 'overloaded'],
    [500, 'unreachable'],
    [501, 'unreachable'],
    [599, 'unreachable'],
    [201, 'invalid'],
    [204, 'invalid'],
    [206, 'invalid'],
    [304, 'invalid'],
    [999, 'invalid']
  ])('answers of status %i are %s, and say so', async (status, outcome) => {
    await using server = await wireServer(({ socket }) => { socket.end(status === 204 || status === 304 ? head(status) : response(status, 'no')) })
    await using made = make(anywhere)
    const seen = attempt()

    // fetch refuses statuses that HTTP does not know before anybody can read them
    const expected = status === 999 && !seesTheWire ? /unreachable|invalid/ : new RegExp(outcome)
    const error = await failureOf(fetcherOver(made), server.url, seen)

    expect(error).toMatchObject({ name: 'FetchError', provider: `http:127.0.0.1:${server.port}` })
    expect(error.outcome).toMatch(expected)
    expect(error.message).toContain(`http:127.0.0.1:${server.port}`)
    expect(error.message).toMatch(status === 999 && !seesTheWire ? /./ : new RegExp(String(status)))
    expect(seen.states).toEqual(['sent'])
  })

  it('says when an overloaded provider wants to be asked again', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(response(429, 'slow down', { 'Retry-After': '7' })) })
    await using made = make(anywhere)

    expect(await failureOf(fetcherOver(made), server.url)).toMatchObject({ outcome: 'overloaded', retryAfter: 7000 })
  })

  it.each([301, 302, 303, 307, 308])('follows no redirect (%i), and contacts nobody it points to', async (status) => {
    await using bystander = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using server = await wireServer(({ socket }) => {
      socket.write(response(status, '', { Location: `${bystander.url}/ipfs/elsewhere` }))
    })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ outcome: 'refused' })
    expect(error.message).toContain(`redirects to ${bystander.url}`)
    expect(bystander.sockets).toHaveLength(0)
  })

  it('does not fall for a redirect to the address that gives out credentials', async () => {
    await using server = await wireServer(({ socket }) => {
      socket.write(response(302, '', { Location: 'http://169.254.169.254/latest/meta-data/' }))
    })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ outcome: 'refused' })
    expect(error.message).toContain('169.254.169.254')
  })

  it.each([
    ['text/html; charset=utf-8', '<html>'],
    ['application/json', '{}'],
    ['application/vnd.ipld.car; version=1', 'car']
  ])('calls a 200 of type %s invalid', async (type, body) => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(body, { 'Content-Type': type })) })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain(type)
  })

  it('refuses a body that says it is packed, without unpacking it', async () => {
    const bomb = gzipSync(new Uint8Array(50_000_000))
    await using server = await wireServer(({ socket }) => { socket.write(ok(bomb, { 'Content-Encoding': 'gzip' })) })
    await using made = make(anywhere)
    const seen = attempt()

    const error = await failureOf(fetcherOver(made), server.url, seen)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('content-encoding "gzip"')
    expect(seen.events).toEqual(['connected', 'first-byte'])
  })

  it('refuses an announced length over the limit before reading any of it', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(head(200, { 'Content-Length': '2097153' })) })
    await using made = make(anywhere)
    const seen = attempt()

    const error = await failureOf(fetcherOver(made), server.url, seen)
    await server.closed(1)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toMatch(/content-length of 2097153 bytes, more than the 2097152 allowed/)
    expect(seen.events).toEqual(['connected', 'first-byte'])
  })

  it('stops an endless body at the limit, on the wire', async () => {
    const page = Buffer.alloc(16_384, 'x')
    let written = 0
    await using server = await wireServer(({ socket }) => {
      socket.write(head(200, { 'Transfer-Encoding': 'chunked' }))
      const more = (): void => {
        while (!socket.destroyed && socket.write(`4000\r\n${page.toString('latin1')}\r\n`)) {
          written += page.length
        }
      }
      socket.on('drain', more)
      more()
    })
    await using made = make(anywhere)
    const seen = attempt()

    const error = await failureOf(fetcherOver(made), server.url, seen, 100_000)
    await server.closed(1)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('more than the 100000 bytes allowed')
    expect(written).toBeGreaterThan(100_000)
  })

  it('calls a body shorter than announced truncated', async () => {
    await using server = await wireServer(({ socket }) => {
      socket.end(Buffer.concat([head(200, { 'Content-Length': String(block.length + 1) }), block]))
    })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('truncated')
  })

  it('calls chunks without their end truncated', async () => {
    await using server = await wireServer(({ socket }) => { socket.end(`${head(200, { 'Transfer-Encoding': 'chunked' }).toString()}5\r\nhello\r\n`) })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('truncated')
  })

  it('never lets bytes beyond the announced length into a block, nor into the next answer', async () => {
    await using server = await wireServer(({ socket, nth }) => {
      if (server.requests.length === 1) {
        socket.write(Buffer.concat([ok(block), ok('a block nobody asked for')]))
      } else {
        expect(nth).toBe(0)
        socket.write(ok(block))
      }
    })
    await using made = make(anywhere)
    const fetcher = fetcherOver(made)

    expect(await fetcher.fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
    expect(await fetcher.fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
    expect(server.sockets).toHaveLength(2)
  })

  it('is unreachable when the connection is reset in the middle of the body', async () => {
    await using server = await wireServer(({ socket }) => {
      socket.write(Buffer.concat([head(200, { 'Content-Length': '1000' }), block]))
    })
    await using made = make(anywhere)
    const seen = attempt()
    const failed = failureOf(fetcherOver(made), server.url, {
      ...seen,
      bytes: () => { server.sockets[0]?.resetAndDestroy() }
    })

    expect(await failed).toMatchObject({ outcome: 'unreachable' })
    expect((await failed).message).toContain('in the middle of the body')
    expect(seen.states).toEqual(['sent'])
  })

  it('is unreachable when the connection ends before or within the headers', async () => {
    await using server = await wireServer(({ socket }) => {
      if (server.requests.length === 1) {
        socket.end()
      } else {
        socket.end('HTTP/1.1 200 OK\r\nContent-Le')
      }
    })
    await using made = make(anywhere)
    const silent = attempt()

    expect(await failureOf(fetcherOver(made), server.url, silent)).toMatchObject({ outcome: 'unreachable' })
    expect(silent.states).toEqual(['unknown'])
    expect(await failureOf(fetcherOver(made), server.url)).toMatchObject({ outcome: 'unreachable' })
  })

  it.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: twelve\r\n\r\nhello'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
    ['a length beyond all numbers', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello'],
    ['chunks that are none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\nX-Filler: ${'x'.repeat(200_000)}`],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n']
  ])('calls %s invalid', async (_what, bytes) => {
    await using server = await wireServer(({ socket }) => { socket.write(bytes) })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    expect(error).toMatchObject({ name: 'FetchError', outcome: 'invalid' })
    expect(error.message).toContain(`http:127.0.0.1:${server.port}`)
    await server.closed(1)
  })

  it('prints what a provider says without letting it write to the terminal', async () => {
    const evil = `text/\u001b[2J\u009b31m${'x'.repeat(5000)}`
    await using server = await wireServer(({ socket }) => {
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: ${'\t'}a/\u0080b${evil.slice(20)}\r\n\r\n`, 'latin1')]))
    })
    await using made = make(anywhere)

    const error = await failureOf(fetcherOver(made), server.url)

    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
    expect(error.message.length).toBeLessThan(400)
    expect(error.outcome).toBe('invalid')
  })

  it('is unreachable where nobody listens, and has told nobody', async () => {
    const server = await wireServer(() => {})
    await server[Symbol.asyncDispose]()
    await using made = make(anywhere)
    const seen = attempt()

    const error = await failureOf(fetcherOver(made), server.url, seen)

    expect(error).toMatchObject({ outcome: 'unreachable' })
    expect(error.message).toContain('ECONNREFUSED')
    expect(seen.states).toEqual(['not-sent'])
  })

  describe('when aborted', () => {
    it('asks nobody when it was aborted before', async () => {
      await using server = await wireServer(() => {})
      await using made = make(anywhere)
      const seen = attempt()
      seen.abort()

      expect(await failureOf(fetcherOver(made), server.url, seen)).toMatchObject({ outcome: 'cancelled' })
      expect(server.sockets).toHaveLength(0)
      expect(seen.entries).toEqual([])
    })

    it('connects to nobody for a signal that was aborted before', async () => {
      await using server = await wireServer(() => {})
      await using made = make(anywhere)
      const seen = attempt()
      const reason = new Error('too late')
      const disclosure = seen.request.disclose({ observer: 'http:gateway.example', form: 'cid', transport: 'http', audience: 'one' })

      await expect(made.transport.request({
        url: new URL(server.url), headers: {}, signal: AbortSignal.abort(reason), onConnected: () => {}
      }, disclosure)).rejects.toBe(reason)

      expect(seen.states).toEqual(['not-sent'])
      expect(server.sockets).toHaveLength(0)
    })

    it('closes the connection at once to a server that never answers', async () => {
      await using server = await wireServer(() => {})
      await using made = make(anywhere)
      const seen = attempt()
      const reason = new Error('a hedge won')
      const failed = failureOf(fetcherOver(made), server.url, seen)
      await server.request(1)

      seen.abort(reason)

      expect(await failed).toMatchObject({ outcome: 'cancelled', cause: reason })
      await server.closed(1)
      expect(seen.states).toEqual([seesTheWire ? 'sent' : 'unknown'])
    })

    it('closes the connection at once in slow headers', async () => {
      await using server = await wireServer(({ socket }) => { socket.write('HTTP/1.1 200 OK\r\nX-A: b') })
      await using made = make(anywhere)
      const seen = attempt()
      const failed = failureOf(fetcherOver(made), server.url, seen)
      await server.request(1)

      seen.abort()

      expect(await failed).toMatchObject({ outcome: 'cancelled' })
      await server.closed(1)
    })

    it('closes the connection at once in the middle of the body', async () => {
      await using server = await wireServer(({ socket }) => { socket.write(Buffer.concat([head(200, { 'Content-Length': '1000' }), block])) })
      await using made = make(anywhere)
      const seen = attempt()

      const error = await failureOf(fetcherOver(made), server.url, { ...seen, bytes: () => { seen.abort() } })

      expect(error).toMatchObject({ outcome: 'cancelled' })
      await server.closed(1)
      expect(seen.states).toEqual(['sent'])
    })
  })

  it('refuses a literal address that the policy refuses, and has told nobody', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const { addressPolicy } = await import('../../../src/provider/address.ts')
    await using made = make(addressPolicy())
    const seen = attempt()

    const error = await failureOf(fetcherOver(made), server.url, seen)

    expect(error).toMatchObject({ outcome: 'unreachable', cause: { name: 'AddressRefusedError' } })
    expect(seen.states).toEqual(['not-sent'])
    expect(server.sockets).toHaveLength(0)
  })

  it('discloses every request that a server saw, and nothing that none saw', async () => {
    await using good = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using bad = await wireServer(({ socket }) => { socket.write(response(404)) })
    await using made = make(anywhere)
    const fetcher = fetcherOver(made)
    const seen = Array.from({ length: 30 }, () => attempt())

    await Promise.all(seen.map(async (recorded, i) => {
      const work = fetcher.fetch(await want(), routeTo(i % 2 === 0 ? good.url : bad.url), recorded)
      await work.then(() => undefined, () => undefined)
    }))

    expect(seen.flatMap(({ states }) => states)).toEqual(Array.from({ length: 30 }, () => 'sent'))
    expect(good.requests).toHaveLength(15)
    expect(bad.requests).toHaveLength(15)
  })
}
