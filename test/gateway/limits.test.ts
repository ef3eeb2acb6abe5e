import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { clientKey } from '../../src/interface/client-key.ts'
import { Connections } from '../../src/gateway/connections.ts'
import { Control } from '../../src/gateway/control.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { RequestSlots } from '../../src/gateway/request-slots.ts'
import { StoreRouting, ask, quietLogger, rawExchange, startGateway } from './fixture.ts'
import type { Socket } from 'node:net'

const HELD = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const LINE = `GET /ipfs/${HELD} HTTP/1.1\r\nHost: localhost\r\n\r\n`

const sockets: Socket[] = []
afterEach(() => { sockets.splice(0).forEach(socket => { socket.destroy() }) })

/** A connection from one of this machine's addresses; what comes back is kept */
async function dial (port: number, from = '127.0.0.1'): Promise<{ socket: Socket, received: () => string, closed: Promise<void> }> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  let text = ''
  socket.on('data', chunk => { text += chunk.toString('latin1') })
  socket.on('error', () => { /* being cut off is what is tested */ })
  sockets.push(socket)
  const closed = new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
  await once(socket, 'connect')
  return { socket, received: () => text, closed }
}

describe('whose address it is', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'], ['::ffff:192.0.2.7', '192.0.2.7'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'], ['::1', '0:0:0:0::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64'], [undefined, 'unknown']
  ])('%j belongs to %s', (address, client) => {
    expect(clientKey(address)).toBe(client)
  })

  it('all of a /64 are one client, and two /64 are two', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map(n => n.toString(16))
    const four = fc.tuple(group, group, group, group)
    fc.assert(fc.property(four, four, four, (network, a, b) => {
      expect(clientKey([...network, ...a].join(':'))).toBe(clientKey([...network, ...b].join(':')))
      expect(clientKey([...network, ...a].join(':')) === clientKey([...a, ...a].join(':'))).toBe(network.join() === a.join())
    }))
  })
})

describe('the table of connections', () => {
  it('closes the oldest one that never asked, then the one idle longest, and never one at work', () => {
    const table = new Connections<{ n: number }>({ max: 4, maxPerClient: 4 })
    const [a, b, c, d, e, f, g, h] = Array.from({ length: 8 }, (_, n) => ({ n })) as [{ n: number }, { n: number }, { n: number }, { n: number }, { n: number }, { n: number }, { n: number }, { n: number }]
    for (const socket of [a, b, c, d]) {
      expect(table.add(socket, 'x')).toBeUndefined()
    }
    table.begin(a)
    table.begin(c)
    table.end(c)
    // b and d never asked, c rests, a is at work
    expect([table.add(e, 'y'), table.add(f, 'y')]).toEqual([b, d])
    table.begin(e)
    table.begin(f)
    expect(table.add(g, 'z')).toBe(c)
    table.begin(g)
    expect([table.add(h, 'z'), table.size]).toEqual([h, 4])
  })

  it('a trusted one rests in peace', () => {
    const table = new Connections<{ n: number }>({ max: 1, maxPerClient: 1 })
    const [a, b] = [{ n: 1 }, { n: 2 }]
    table.add(a, 'x')
    table.begin(a)
    table.trust(a)
    table.end(a)
    expect(table.add(b, 'x')).toBe(b)
    table.delete(a)
    expect(table.add(b, 'x')).toBeUndefined()
  })

  it('whatever happens: never more than allowed, per client too, and nobody at work is closed', () => {
    const step = fc.tuple(fc.constantFrom('add', 'begin', 'end', 'trust', 'delete'), fc.nat({ max: 30 }), fc.constantFrom('a', 'b', 'c'))
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const table = new Connections<{ client: string, answers: number }>({ max: 6, maxPerClient: 3 })
      let open: Array<{ client: string, answers: number }> = []
      for (const [what, nth, client] of steps) {
        const socket = open[nth % Math.max(1, open.length)]
        if (what === 'add') {
          const newcomer = { client, answers: 0 }
          const victim = table.add(newcomer, client)
          expect(victim?.answers ?? 0).toBe(0)
          open = [...open, newcomer].filter(other => other !== victim)
        } else if (socket != null && what === 'begin') {
          expect(table.begin(socket)).toBe(++socket.answers)
        } else if (socket != null && what === 'end') {
          table.end(socket)
          socket.answers = Math.max(0, socket.answers - 1)
        } else if (socket != null && what === 'trust') {
          table.trust(socket)
        } else if (socket != null) {
          table.delete(socket)
          open = open.filter(other => other !== socket)
        }
        expect(table.size).toBe(open.length)
        expect(open.length).toBeLessThanOrEqual(6)
        expect(Math.max(0, ...['a', 'b', 'c'].map(name => open.filter(({ client }) => client === name).length))).toBeLessThanOrEqual(3)
        open.forEach(other => { expect(table.isAnswering(other)).toBe(other.answers > 0) })
      }
    }), { numRuns: 300 })
  })
})

it('slots are what was taken and not released, in all and by client', () => {
  const client = fc.constantFrom('a', 'b', 'c')
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), client)), steps => {
    const slots = new RequestSlots({ max: 5, maxPerClient: 2 })
    const held: string[] = []
    for (const [isTake, client] of steps) {
      const own = held.filter(name => name === client).length
      if (isTake) {
        const refusal = slots.take(client)
        expect(refusal).toBe(held.length >= 5 ? 'full' : own >= 2 ? 'client' : undefined)
        refusal == null && held.push(client)
      } else if (own > 0) {
        slots.release(client)
        held.splice(held.indexOf(client), 1)
      }
      expect(slots.size).toBe(held.length)
    }
  }))
})

describe('one client among many', () => {
  it('a connection that pipelines has 16 requests under way, and the rest are told to wait', async () => {
    await using test = await startGateway({ maxRequests: 40 })
    test.routing.hold = () => new Promise(() => {})
    const greedy = await dial(test.port)
    greedy.socket.write(LINE.repeat(20))

    await expect.poll(() => test.gateway.active).toBe(16)
    expect(test.routing.open).toBe(16)
    // others are served all the same
    expect((await ask(test.url, '/live')).status).toBe(200)

    greedy.socket.destroy()
    await expect.poll(() => [test.gateway.active, test.routing.open]).toEqual([0, 0])
  })

  it('the requests after the sixteenth are answered in their turn, with 429 and the end of the connection', async () => {
    await using test = await startGateway()
    const gate = Promise.withResolvers<void>()
    test.routing.hold = () => gate.promise
    const client = await dial(test.port)
    client.socket.write(LINE.repeat(17))
    await expect.poll(() => test.routing.open).toBe(16)
    gate.resolve()
    await client.closed
    expect(client.received().match(/^HTTP\/1\.1 \d+/gm)).toEqual([...Array<string>(16).fill('HTTP/1.1 404'), 'HTTP/1.1 429'])
    expect(client.received()).toContain('on this connection')
  })

  it('a connection that sends twice as many is cut off', async () => {
    await using test = await startGateway()
    test.routing.hold = () => new Promise(() => {})
    const flood = await dial(test.port)
    flood.socket.write(LINE.repeat(200))
    await flood.closed
    await expect.poll(() => [test.gateway.active, test.routing.open]).toEqual([0, 0])
  })

  it('one address has its share of the requests, and another one is still served', async () => {
    await using test = await startGateway({ maxRequests: 8, maxClientRequests: 3 })
    test.routing.hold = () => new Promise(() => {})
    for (let i = 0; i < 3; i++) {
      (await dial(test.port)).socket.write(LINE)
    }
    await expect.poll(() => test.gateway.active).toBe(3)
    const answer = await ask(test.url, '/live')
    expect([answer.status, answer.headers['retry-after'], answer.text]).toEqual([429, '1', expect.stringContaining('from your address')])

    const other = await dial(test.port, '127.0.0.2')
    other.socket.write('GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await other.closed
    expect(other.received()).toMatch(/^HTTP\/1\.1 200/)
  })

  it('idle connections of one address close the oldest of their own, and not those of others', async () => {
    await using test = await startGateway({ maxRequests: 4, maxClientRequests: 2 })
    const other = await dial(test.port, '127.0.0.2')
    const idle = [await dial(test.port), await dial(test.port), await dial(test.port), await dial(test.port)]
    const fifth = await dial(test.port)
    await idle[0]?.closed
    for (const { socket } of [other, fifth]) {
      socket.write('GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    }
    await Promise.all([other.closed, fifth.closed])
    expect([other.received(), fifth.received()]).toEqual([expect.stringMatching(/^HTTP\/1\.1 200/), expect.stringMatching(/^HTTP\/1\.1 200/)])
  })

  it('a body that nobody asked for ends the connection instead of being read without an end', async () => {
    await using test = await startGateway()
    const get = `GET /live HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1${';x'.repeat(100)}\r\n`
    expect(await rawExchange(test.port, get)).toMatch(/^HTTP\/1\.1 200[^]*connection: close/i)
  })
})

describe('which names a gateway answers to', () => {
  const status = async (url: string, host: string): Promise<number> => (await ask(url, '/live', { headers: { host } })).status

  it('on loopback: loopback ones and those it was told, since any other is how DNS rebinding looks', async () => {
    await using test = await startGateway({ allowedHosts: ['Files.Example'] })
    for (const host of ['localhost', 'localhost:8480', 'localhost.', 'LOCALHOST', '127.0.0.1', '127.1.2.3:1', '[::1]:80', 'cid.ipfs.localhost:8480', 'files.example', 'FILES.example:443']) {
      expect([host, await status(test.url, host)]).toEqual([host, 200])
    }
    for (const host of ['evil.example', 'localhost.evil.example', 'notlocalhost', '.localhost', 'a..localhost', '127.0.0.1.evil.example', '0.0.0.0', '192.168.0.1', 'x.files.example', 'a b']) {
      expect([host, await status(test.url, host)]).toEqual([host, 403])
    }
    const { text } = await ask(test.url, '/', { headers: { host: 'evil.example' } })
    expect(text).toContain('gateway.allowedHosts')
    // no browser leaves the header out; health checks of proxies do
    expect(await rawExchange(test.port, 'GET /live HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200/)
  })

  it('open to other machines: any, until it is told which', async () => {
    await using open = await startGateway({ host: '0.0.0.0' })
    const url = `http://127.0.0.1:${open.port}`
    expect(await status(url, 'files.example')).toBe(200)

    await using named = await startGateway({ host: '0.0.0.0', allowedHosts: ['files.example'] })
    const other = `http://127.0.0.1:${named.port}`
    expect([await status(other, 'files.example'), await status(other, 'localhost'), await status(other, 'evil.example')]).toEqual([200, 200, 403])
  })
})

describe('the control endpoint under siege', () => {
  it('idle connections do not keep the command line out', async () => {
    const control = new Control({
      contentRouting: new StoreRouting(), files: unixfsFiles, parseCID, clock: systemClock, logger: quietLogger, metrics: new MetricRegistry(), stats: () => ({ a: 1 }), ready: () => true
    }, { port: 0, requestTimeout: 60_000 })
    const { url, port } = await control.start()
    try {
      const trusted = await dial(port)
      trusted.socket.write(`GET /api/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${control.token}\r\n\r\n`)
      await expect.poll(() => trusted.received()).toContain('"a": 1')

      const besiegers = [...Array<string>(100).fill('127.0.0.1'), ...Array<string>(100).fill('127.0.0.2')]
      for (const from of besiegers) {
        await dial(port, from)
      }
      // half a request is as idle as none
      (await dial(port)).socket.write('GET /api/st')
      expect((await ask(url, '/api/stats', { headers: { authorization: `Bearer ${control.token}` } })).status).toBe(200)

      trusted.socket.write('GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      await trusted.closed
      expect(trusted.received()).toMatch(/live\n$/)
    } finally {
      await control.stop()
    }
  })
})
