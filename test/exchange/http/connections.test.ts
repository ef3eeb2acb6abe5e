import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it, vi } from 'vitest'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { anywhere, attempt, block, failureOf, routeTo, want } from './attempt.ts'
import { head, ok, response, wireServer } from './wire-server.ts'
import type { HttpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import type { UndiciTransport, UndiciTransportInit } from '../../../src/exchange/http/undici-egress.ts'
import type { WireRequest, WireServer } from './wire-server.ts'
import type { ServerResponse } from 'node:http'

interface Setup extends AsyncDisposable {
  readonly transport: UndiciTransport
  readonly fetcher: HttpBlockFetcher
}

function setup (init: UndiciTransportInit = {}): Setup {
  const transport = undiciTransport({ policy: anywhere, ...init })
  return {
    transport,
    fetcher: httpBlockFetcher({ transport, policy: anywhere }),
    [Symbol.asyncDispose]: async () => transport.close()
  }
}

/** Answers when told to */
async function patientServer (): Promise<WireServer & { answer (): void }> {
  const unanswered: WireRequest[] = []
  const server = await wireServer(request => { unanswered.push(request) })
  return Object.assign(server, {
    answer: () => { unanswered.splice(0).forEach(({ socket }) => { socket.write(ok(block)) }) }
  })
}

describe('what an answer takes beside its content', () => {
  const CHUNKED = head(200, { 'content-type': 'application/vnd.ipld.raw', 'transfer-encoding': 'chunked' })

  it.each([
    ['an extension of a chunk without an end', `${CHUNKED}1`, `;${'x'.repeat(65_535)}`],
    ['the reason of a status without an end', 'HTTP/1.1 200 ', 'x'.repeat(65_536)]
  ])('%s is given up after some hundred kB', async (_what, start, more) => {
    await using server = await wireServer(({ socket }) => {
      socket.write(start)
      const pump = (): void => {
        while (!socket.destroyed && socket.write(more)) { /* as fast as it is taken */ }
      }
      socket.on('drain', pump)
      pump()
    })
    await using it = setup()
    const error = await failureOf(it.fetcher, server.url)

    expect([error.outcome, error.message]).toEqual(['invalid', expect.stringMatching(/not acceptable HTTP \(\d+ bytes around 0 bytes of content\)/)])
    await server.closed(1)
  })

  it('chunks of four bytes with small extensions are no offence, one answer after another', async () => {
    const bytes = new Uint8Array(120_000).fill(7)
    await using server = await wireServer(({ socket }) => {
      const chunks = Array.from({ length: bytes.byteLength / 4 }, () => '4;a=b\r\n\x07\x07\x07\x07\r\n').join('')
      socket.write(`${CHUNKED}${chunks}0\r\n\r\n`)
    })
    await using it = setup()

    for (let i = 0; i < 3; i++) {
      expect(await it.fetcher.fetch(await want(bytes), routeTo(server.url), attempt())).toEqual(bytes)
    }
    expect(server.sockets).toHaveLength(1)
  })
})

describe('connections', () => {
  it('carry one request after another', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup()

    for (let i = 0; i < 50; i++) {
      expect(await it.fetcher.fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
    }

    expect(server.requests).toHaveLength(50)
    expect(server.sockets).toHaveLength(1)
  })

  it('are no more than allowed, however many requests there are', async () => {
    // answers four at a time, when four have come: fewer connections would hang, more would be counted
    const held: ServerResponse[] = []
    let most = 0
    const server = createServer((_req, res) => {
      most = Math.max(most, held.push(res))

      if (held.length === 4) {
        held.splice(0).forEach(each => { each.writeHead(200, { 'content-type': 'application/vnd.ipld.raw' }).end(block) })
      }
    })
    let sockets = 0
    server.on('connection', () => { sockets++ })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`

    {
      await using it = setup({ connectionsPerOrigin: 4 })
      const asked = await want()
      const blocks = await Promise.all(Array.from({ length: 52 }, async () => it.fetcher.fetch(asked, routeTo(url), attempt())))

      expect(blocks.every(bytes => bytes.length === block.length)).toBe(true)
      expect(it.transport.stats()).toEqual({ origins: 1, connections: 4 })
    }

    expect(most).toBe(4)
    expect(sockets).toBe(4)
    server.close()
    await once(server, 'close')
  })

  it('outlive an honest no', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(response(404, 'not here')) })
    await using it = setup()

    for (let i = 0; i < 5; i++) {
      expect(await failureOf(it.fetcher, server.url)).toMatchObject({ outcome: 'not-here' })
    }

    expect(server.sockets).toHaveLength(1)
  })

  it('outlive a no whose short text comes later', async () => {
    await using server = await wireServer(({ socket, nth }) => {
      if (nth === 0) {
        socket.write(head(404, { 'Content-Length': '5' }))
      } else {
        socket.write(ok(block))
      }
    })
    const clock = new VirtualClock()
    await using it = setup({ connectionsPerOrigin: 1, clock })

    expect(await failureOf(it.fetcher, server.url)).toMatchObject({ outcome: 'not-here' })
    expect(clock.pending).toBe(1)
    const next = it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    server.sockets[0]?.write('sorry')

    expect(await next).toEqual(block)
    expect(server.sockets).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('outlive a request that was given up before it was written', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup()
    await it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    const given = attempt()
    const up = failureOf(it.fetcher, server.url, given)
    // undici looks once more at a kept connection before it writes
    await given.disclosed
    given.abort()

    expect(await up).toMatchObject({ outcome: 'cancelled' })
    expect(given.states).toEqual(['not-sent'])
    expect(await it.fetcher.fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
    expect(server.requests).toHaveLength(2)
    expect(server.sockets).toHaveLength(1)
  })

  it('are given up when the text of a no does not come, or is long', async () => {
    const clock = new VirtualClock()
    await using server = await wireServer(({ socket }) => {
      socket.write(head(404, { 'Content-Length': server.requests.length === 1 ? '5' : '1000000' }))
    })
    await using it = setup({ clock })

    expect(await failureOf(it.fetcher, server.url)).toMatchObject({ outcome: 'not-here' })
    expect(server.open).toBe(1)
    await clock.advance(1000)
    await server.closed(1)

    expect(await failureOf(it.fetcher, server.url)).toMatchObject({ outcome: 'not-here' })
    await server.closed(2)
    expect(clock.pending).toBe(0)
  })

  it('close when they have not been used for a while', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup({ idleTimeout: 20 })

    await it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    await server.closed(1)
    // the server sees it first; there is no event for us having seen it
    await vi.waitFor(() => { expect(it.transport.stats()).toEqual({ origins: 0, connections: 0 }) })

    await it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    expect(server.sockets).toHaveLength(2)
  })

  it('to origins not used lately give way', async () => {
    await using a = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using b = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using c = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup({ maxOrigins: 2 })
    const get = async (server: WireServer): Promise<void> => { await it.fetcher.fetch(await want(), routeTo(server.url), attempt()) }

    await get(a)
    await get(b)
    await get(a)
    await get(c)

    await b.closed(1)
    expect([a.open, b.open, c.open]).toEqual([1, 0, 1])
    expect(it.transport.stats().origins).toBe(2)
  })

  it('to one origin more wait until another is quiet', async () => {
    await using a = await patientServer()
    await using b = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup({ maxOrigins: 1 })
    const asked = await want()

    const first = it.fetcher.fetch(asked, routeTo(a.url), attempt())
    await a.request(1)
    const given = attempt()
    const up = failureOf(it.fetcher, b.url, given)
    await given.disclosed
    const second = it.fetcher.fetch(asked, routeTo(b.url), attempt())
    const third = it.fetcher.fetch(asked, routeTo(b.url), attempt())
    given.abort()

    expect(await up).toMatchObject({ outcome: 'cancelled' })
    expect(given.states).toEqual(['not-sent'])
    expect(b.sockets).toHaveLength(0)

    a.answer()
    expect(await first).toEqual(block)
    expect(await second).toEqual(block)
    expect(await third).toEqual(block)
    expect(b.requests).toHaveLength(2)
    expect(it.transport.stats().origins).toBe(1)
  })

  it('that a server closes after each answer are opened anew for whoever waits', async () => {
    await using server = await wireServer(({ socket }) => { socket.end(ok(block, { Connection: 'close' })) })
    await using it = setup({ connectionsPerOrigin: 1 })
    const asked = await want()
    const seen = Array.from({ length: 10 }, () => attempt())

    const blocks = await Promise.all(seen.map(async recorded => it.fetcher.fetch(asked, routeTo(server.url), recorded)))

    expect(blocks).toEqual(seen.map(() => block))
    expect(seen.flatMap(({ states }) => states)).toEqual(seen.map(() => 'sent'))
    expect(server.sockets).toHaveLength(10)
  })

  it('that nobody uses keep no process alive', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    const at = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      const { undiciTransport } = await import(${at('exchange/http/undici-egress.ts')})
      const { addressPolicy } = await import(${at('provider/address.ts')})
      const disclosure = { sent () {}, notSent () {}, unknown () {}, also () { return disclosure } }
      const transport = undiciTransport({ policy: addressPolicy({ allow: ['127.0.0.1'] }), idleTimeout: 2_000_000 })
      const response = await transport.request({
        url: new URL('${server.url}/'), headers: {}, signal: new AbortController().signal, onConnected () {}
      }, disclosure)
      for await (const chunk of response.body) process.stdout.write(chunk)
    `], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])

    expect([printed, code]).toEqual([new TextDecoder().decode(block), 0])
  })

  it('that are all taken are waited for, and the wait can be given up', async () => {
    await using server = await patientServer()
    await using it = setup({ connectionsPerOrigin: 1 })
    const asked = await want()
    const first = it.fetcher.fetch(asked, routeTo(server.url), attempt())
    await server.request(1)
    const given = attempt()
    const up = failureOf(it.fetcher, server.url, given)
    await given.disclosed
    const third = it.fetcher.fetch(asked, routeTo(server.url), attempt())

    given.abort()
    expect(await up).toMatchObject({ outcome: 'cancelled' })
    expect(given.states).toEqual(['not-sent'])

    server.answer()
    expect(await first).toEqual(block)
    await server.request(2)
    server.answer()
    expect(await third).toEqual(block)
    expect(server.requests).toHaveLength(2)
    expect(server.sockets).toHaveLength(1)
  })

  it('that died while they were kept cost a second try, not the provider its name', async () => {
    await using server = await wireServer(({ socket }) => {
      if (server.requests.length === 2) {
        socket.destroy()
      } else {
        socket.write(ok(block))
      }
    })
    await using it = setup()
    await it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    const seen = attempt()

    expect(await it.fetcher.fetch(await want(), routeTo(server.url), seen)).toEqual(block)

    expect(seen.states).toEqual(['unknown', 'sent'])
    expect(seen.events).toEqual(['connected', 'first-byte', block.length])
    expect(server.requests).toHaveLength(3)
  })

  it('that keep dying are the provider\'s', async () => {
    await using server = await wireServer(({ socket }) => {
      if (server.requests.length === 1) {
        socket.write(ok(block))
      } else {
        socket.destroy()
      }
    })
    await using it = setup()
    await it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    const seen = attempt()

    expect(await failureOf(it.fetcher, server.url, seen)).toMatchObject({ outcome: 'unreachable' })
    expect(seen.states).toEqual(['unknown', 'unknown'])
    expect(server.requests).toHaveLength(3)
  })

  it('that are new and die at once are the provider\'s, even where an old one was before', async () => {
    await using server = await wireServer(({ socket }) => {
      if (server.requests.length === 1) {
        socket.end(ok(block, { Connection: 'close' }))
      } else {
        socket.destroy()
      }
    })
    await using it = setup({ connectionsPerOrigin: 1 })
    const first = it.fetcher.fetch(await want(), routeTo(server.url), attempt())
    const seen = attempt()
    const second = failureOf(it.fetcher, server.url, seen)
    await first

    expect(await second).toMatchObject({ outcome: 'unreachable' })
    expect(seen.states).toEqual(['unknown'])
    expect(server.requests).toHaveLength(2)
  })

  it('leave nothing on a signal that many requests share', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(server.requests.length % 2 === 0 ? ok(block) : response(404)) })
    await using it = setup()
    const seen = attempt()
    const asked = await want()

    for (let i = 0; i < 4; i++) {
      await it.fetcher.fetch(asked, routeTo(server.url), seen).then(() => undefined, () => undefined)
    }

    expect(server.requests).toHaveLength(4)
    expect(getEventListeners(seen.signal, 'abort')).toEqual([])
  })

  it('take the other kept ones with them when they turn out dead', async () => {
    await using server = await patientServer()
    await using it = setup()
    const asked = await want()
    const both = [it.fetcher.fetch(asked, routeTo(server.url), attempt()), it.fetcher.fetch(asked, routeTo(server.url), attempt())]
    await server.request(2)
    server.answer()
    await Promise.all(both)
    const third = it.fetcher.fetch(asked, routeTo(server.url), attempt())
    const { socket } = await server.request(3)

    socket.destroy()
    await Promise.all([server.closed(1), server.closed(2)])

    await server.request(4)
    server.answer()
    expect(await third).toEqual(block)
    expect(server.sockets).toHaveLength(3)
  })

  it('pass interim answers over, but not without end', async () => {
    await using server = await wireServer(({ socket }) => {
      const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n'
      socket.write(server.requests.length === 1 ? Buffer.concat([Buffer.from(hint.repeat(3)), ok(block)]) : hint.repeat(1000))
    })
    await using it = setup()

    expect(await it.fetcher.fetch(await want(), routeTo(server.url), attempt())).toEqual(block)
    const error = await failureOf(it.fetcher, server.url)
    expect(error).toMatchObject({ outcome: 'invalid' })
    expect(error.message).toContain('interim answers')
    await server.closed(1)
  })
})

describe('closing', () => {
  it('ends what is under way and leaves no connection', async () => {
    await using quiet = await wireServer(() => {})
    await using idle = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using half = await wireServer(({ socket }) => { socket.write(Buffer.concat([head(200, { 'Content-Length': '1000' }), block])) })
    const never = Promise.withResolvers<never>()
    await using it = setup({ connectionsPerOrigin: 1, resolve: async () => never.promise })
    await it.fetcher.fetch(await want(), routeTo(idle.url), attempt())
    const asked = attempt()
    const queued = attempt()
    const dialling = attempt()
    const reading = attempt()
    const arrived = Promise.withResolvers<void>()
    const first = failureOf(it.fetcher, quiet.url, asked)
    await quiet.request(1)
    const failures = Promise.all([
      first,
      failureOf(it.fetcher, quiet.url, queued),
      failureOf(it.fetcher, 'http://somewhere.test', dialling),
      failureOf(it.fetcher, half.url, { ...reading, bytes: () => { arrived.resolve() } })
    ])
    await Promise.all([arrived.promise, queued.disclosed, dialling.disclosed])

    await Promise.all([it.transport.close(), it.transport.close()])

    for (const error of await failures) {
      expect(error).toMatchObject({ outcome: 'cancelled', cause: { name: 'NotRunningError' } })
    }
    await Promise.all([quiet.closed(1), idle.closed(1), half.closed(1)])
    expect([quiet.sockets.length, quiet.open, idle.open, half.open]).toEqual([1, 0, 0, 0])
    expect(it.transport.stats()).toEqual({ origins: 0, connections: 0 })
    expect([asked, queued, dialling, reading].map(({ states }) => states)).toEqual([['sent'], ['not-sent'], ['not-sent'], ['sent']])
  })

  it('is for good: a later request says so and reaches nobody', async () => {
    await using server = await wireServer(({ socket }) => { socket.write(ok(block)) })
    await using it = setup()
    await it.fetcher.stop()
    const seen = attempt()

    const error = await failureOf(it.fetcher, server.url, seen)

    expect(error).toMatchObject({ outcome: 'cancelled', cause: { name: 'NotRunningError' } })
    expect(seen.states).toEqual(['not-sent'])
    expect(server.sockets).toHaveLength(0)
  })
})
