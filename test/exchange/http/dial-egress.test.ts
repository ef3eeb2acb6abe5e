import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { describe, expect, it } from 'vitest'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { anywhere, attempt, block, failureOf, routeTo, want } from './attempt.ts'
import { cert, key } from './certificate.ts'
import { ok, wireServer } from './wire-server.ts'
import type { Resolve } from '../../../src/exchange/http/dial-egress.ts'
import type { HttpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import type { UndiciTransportInit } from '../../../src/exchange/http/undici-egress.ts'

function setup (init: UndiciTransportInit): AsyncDisposable & { fetcher: HttpBlockFetcher } {
  const transport = undiciTransport(init)
  return {
    fetcher: httpBlockFetcher({ transport, policy: anywhere }),
    [Symbol.asyncDispose]: async () => transport.close()
  }
}

/** Answers every question with the next of the given addresses, then with the last for ever */
function resolver (...answers: string[][]): Resolve & { asked: string[] } {
  const asked: string[] = []
  const resolve: Resolve = async hostname => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(hostname)
    return answer.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return Object.assign(resolve, { asked })
}

const never: Resolve = async () => new Promise<never>(() => {})

describe('dialling', () => {
  it('refuses a name that leads into a private network, and tells nobody', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup({ policy: addressPolicy(), resolve: resolver(['127.0.0.1']) })
    const seen = attempt()

    const error = await failureOf(it.fetcher, `http://rebound.example:${server.port}`, seen)

    expect(error).toMatchObject({ outcome: 'unreachable', cause: { name: 'AddressRefusedError' } })
    expect(error.message).toContain('127.0.0.1')
    expect(seen.states).toEqual(['not-sent'])
    expect(server.sockets).toHaveLength(0)
  })

  it('resolves a name once per connection, and dials what was checked', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const checked: string[] = []
    // what an attacker's name server says: a good address when checked, another when dialled
    const resolve = resolver(['127.0.0.1'], ['127.0.0.2'])
    await using it = setup({
      policy: { ...anywhere, checkResolved: (ip, port, name) => { checked.push(`${name} ${ip} ${port}`) } },
      resolve
    })
    const url = `http://rebound.example:${server.port}`

    expect(await it.fetcher.fetch(await want(), routeTo(url), attempt())).toEqual(block)
    expect(await it.fetcher.fetch(await want(), routeTo(url), attempt())).toEqual(block)

    expect(resolve.asked).toEqual(['rebound.example'])
    expect(checked).toEqual([`rebound.example 127.0.0.1 ${server.port}`])
    expect(server.requests.map(({ headers }) => headers['host'])).toEqual([`rebound.example:${server.port}`, `rebound.example:${server.port}`])
  })

  it('asks for a name once for all connections that are opened together', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const resolve = resolver(['127.0.0.1'])
    await using it = setup({ policy: anywhere, resolve })
    const asked = await want()

    await Promise.all(Array.from({ length: 8 }, async () => it.fetcher.fetch(asked, routeTo(`http://many.example:${server.port}`), attempt())))

    expect(server.sockets).toHaveLength(8)
    expect(resolve.asked).toEqual(['many.example'])
  })

  it('checks again when the name is resolved for a new connection', async () => {
    await using server = await wireServer(({ socket }) => { socket.end(ok(block, { Connection: 'close' })) })
    await using other = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const policy = {
      ...anywhere,
      checkResolved: (ip: string) => {
        if (ip !== '127.0.0.1') {
          addressPolicy().checkResolved(ip, 80, 'rebound.example')
        }
      }
    }
    await using it = setup({ policy, resolve: resolver(['127.0.0.1'], ['169.254.169.254']) })
    const url = `http://rebound.example:${server.port}`

    expect(await it.fetcher.fetch(await want(), routeTo(url), attempt())).toEqual(block)
    expect(await failureOf(it.fetcher, url)).toMatchObject({ outcome: 'unreachable', cause: { name: 'AddressRefusedError' } })
    expect(other.sockets).toHaveLength(0)
  })

  it('dials only those of several addresses that are allowed', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const policy = addressPolicy({ allow: [`127.0.0.1:${server.port}`] })
    await using it = setup({ policy, resolve: resolver(['169.254.169.254', '127.0.0.2', '127.0.0.1']) })

    expect(await it.fetcher.fetch(await want(), routeTo(`http://mixed.example:${server.port}`), attempt())).toEqual(block)
    expect(server.sockets[0]?.localAddress).toBe('127.0.0.1')
  })

  it.each([
    ['does not exist', async () => { throw Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.example'), { code: 'ENOTFOUND' }) }],
    ['has no address', resolver([])]
  ])('is unreachable when its name %s', async (_what, resolve) => {
    await using it = setup({ policy: anywhere, resolve })
    const seen = attempt()

    const error = await failureOf(it.fetcher, 'http://nowhere.example', seen)

    expect(error).toMatchObject({ outcome: 'unreachable', cause: { failure: 'dns' } })
    expect(seen.states).toEqual(['not-sent'])
  })

  it('gives up after the connect timeout, whatever it waits for', async () => {
    const clock = new VirtualClock()
    await using it = setup({ policy: anywhere, resolve: never, connectTimeout: 700, clock })
    const seen = attempt()
    const failed = failureOf(it.fetcher, 'http://slow.example', seen)
    await seen.disclosed

    await clock.advance(699)
    expect(seen.states).toEqual(['intended'])
    await clock.advance(1)

    const error = await failed
    expect(error).toMatchObject({ outcome: 'unreachable', cause: { failure: 'connect' } })
    expect(error.message).toContain('could not connect within 700 ms')
    expect(seen.states).toEqual(['not-sent'])
    expect(clock.pending).toBe(0)
  })

  it('can be given up at once, and leaves no timer', async () => {
    const clock = new VirtualClock()
    await using it = setup({ policy: anywhere, resolve: never, clock })
    const seen = attempt()
    const failed = failureOf(it.fetcher, 'http://slow.example', seen)
    await seen.disclosed
    expect(clock.pending).toBe(1)

    seen.abort()

    expect(await failed).toMatchObject({ outcome: 'cancelled' })
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    expect(seen.states).toEqual(['not-sent'])
  })

  it('is done for whoever waits next when the first gives up', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const answer = Promise.withResolvers<Array<{ address: string, family: number }>>()
    let asked = 0
    await using it = setup({
      policy: anywhere,
      connectionsPerOrigin: 1,
      resolve: async () => {
        asked++
        return answer.promise
      }
    })
    const url = `http://slow.example:${server.port}`
    const first = attempt()
    const failed = failureOf(it.fetcher, url, first)
    await first.disclosed
    const second = it.fetcher.fetch(await want(), routeTo(url), attempt())

    first.abort()
    expect(await failed).toMatchObject({ outcome: 'cancelled' })
    answer.resolve([{ address: '127.0.0.1', family: 4 }])

    expect(await second).toEqual(block)
    expect(asked).toBe(1)
    expect(server.requests).toHaveLength(1)
  })

  it('ends a TLS handshake that nobody answers when it is given up', async () => {
    await using server = await wireServer(() => {})
    await using it = setup({ policy: anywhere })
    const seen = attempt()
    const failed = failureOf(it.fetcher, `https://127.0.0.1:${server.port}`, seen)
    await server.touched

    seen.abort()

    expect(await failed).toMatchObject({ outcome: 'cancelled' })
    await server.closed(1)
    expect(seen.states).toEqual(['not-sent'])
  })
})

describe('TLS', () => {
  async function tlsServer (): Promise<AsyncDisposable & { port: number, names: unknown[] }> {
    const names: unknown[] = []
    const server = createTlsServer({ key, cert }, (req, res) => {
      names.push((req.socket as { servername?: unknown }).servername)
      res.writeHead(200, { 'content-type': 'application/vnd.ipld.raw' }).end(block)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      port: (server.address() as { port: number }).port,
      names,
      async [Symbol.asyncDispose] () {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      }
    }
  }

  it('is verified against the name of the host, not the address it resolved to', async () => {
    await using server = await tlsServer()
    await using it = setup({ policy: anywhere, resolve: resolver(['127.0.0.1']), ca: cert })
    const seen = attempt()

    expect(await it.fetcher.fetch(await want(), routeTo(`https://gateway.test:${server.port}`), seen)).toEqual(block)
    expect(server.names).toEqual(['gateway.test'])
    expect(seen.entries).toMatchObject([{ observer: `https:gateway.test:${server.port}`, transport: 'https', state: 'sent' }])
  })

  it.each([
    ['a certificate for another name', 'other.test', cert],
    ['a certificate that nobody vouches for', 'gateway.test', undefined],
    ['an address that the certificate does not name', '127.0.0.1', cert]
  ])('refuses %s, and asks nothing', async (_what, host, ca) => {
    await using server = await tlsServer()
    await using it = setup({ policy: anywhere, resolve: resolver(['127.0.0.1']), ca })
    const seen = attempt()

    const error = await failureOf(it.fetcher, `https://${host}:${server.port}`, seen)

    expect(error).toMatchObject({ outcome: 'unreachable', cause: { failure: 'tls' } })
    expect(seen.states).toEqual(['not-sent'])
    expect(server.names).toEqual([])
  })
})
