import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { Webhook } from '../../src/privacy/monitor-webhook.ts'
import { undiciWebhook, undiciWebhookRequest } from '../../src/privacy/webhook-undici-egress.ts'
import type { WebhookInit } from '../../src/privacy/monitor-webhook.ts'
import type { WebhookResolve } from '../../src/privacy/webhook-undici-egress.ts'
import type { AddressInfo, Socket } from 'node:net'

type Moment = 'connected' | 'asked' | 'answered'

const close: Array<() => unknown> = []
afterEach(async () => { await Promise.all(close.splice(0).map(async end => end())) })

/** Counts connections, says when what happens, and answers with a head and a part of a body where it is to */
async function receiver (happened: (what: Moment) => void, answers: boolean): Promise<{ port: number, ports: () => readonly number[], first: Promise<void> }> {
  const sockets: Socket[] = []
  const ports: number[] = []
  const first = Promise.withResolvers<void>()
  const server = createServer(socket => {
    sockets.push(socket)
    ports.push(socket.remotePort ?? 0)
    socket.on('error', () => {}).once('close', () => { first.resolve() })
    // what nobody reads does not end
    socket.resume()
    happened('connected')
    socket.once('data', () => {
      happened('asked')
      if (answers) {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nand so')
        happened('answered')
      }
    })
  }).listen(0, '127.0.0.1')
  close.push(() => {
    sockets.forEach(socket => { socket.destroy() })
    server.close()
  })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, ports: () => ports, first: first.promise }
}

/** Connects, and waits until that was seen: what came before was, too */
async function knock (port: number, ports: () => readonly number[]): Promise<void> {
  const last = connect(port, '127.0.0.1')
  close.push(() => last.destroy())
  await once(last, 'connect')
  while (!ports().includes(last.localPort ?? 0)) {
    await new Promise(resolve => setImmediate(resolve))
  }
}

describe('a webhook that is asked over undici', () => {
  it.each(['connected', 'asked', 'answered'] as const)('has as many connections as disclosures, given up when it is %s', async moment => {
    const stop = new AbortController()
    const { port, ports, first } = await receiver(what => {
      if (what === moment && moment !== 'answered') {
        stop.abort()
      }
    }, moment === 'answered')
    const ledger = new DisclosureLedger()
    const webhook = new Webhook({ clock: systemClock, random: systemRandom, ledger, request: undiciWebhookRequest }, `http://127.0.0.1:${port}/x`)
    webhook.send('{}', stop.signal)
    await webhook.idle()

    // who connects once more does when the first connection has ended, and so before this one
    await first
    await new Promise(resolve => setImmediate(resolve))
    await knock(port, ports)
    expect([ports().length - 1, ledger.entries().map(({ state }) => state), webhook.statistics.sent]).toEqual(moment === 'answered' ? [1, ['sent'], 1] : [1, ['unknown'], 0])
  })

  it('says what it was answered, and what went wrong', async () => {
    const ledger = new DisclosureLedger()
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    await new Promise(resolve => closed.close(resolve))
    const logged: string[] = []
    const log = Object.assign(() => {}, { error: (...parts: unknown[]) => { logged.push(parts.join(' ')) }, trace: () => {} })
    const webhook = new Webhook({ clock: systemClock, random: systemRandom, ledger, log: log as never, request: undiciWebhookRequest }, { url: `http://127.0.0.1:${port}/s3cret`, maxAttempts: 1 })
    webhook.send('{}', new AbortController().signal)
    await webhook.idle()
    expect([ledger.entries().map(({ state }) => state), webhook.statistics.failed]).toEqual([['not-sent'], 1])
    expect(logged.join()).toContain('ECONNREFUSED')
    expect(logged.join()).not.toContain('s3cret')
  })
})

describe('a webhook that has a name', () => {
  /** Sends one alert to a name that leads to these addresses */
  async function send (init: WebhookInit, resolve: string[] | WebhookResolve, signal = new AbortController().signal): Promise<{ states: string[][], logged: string, sent: number, asked: string[] }> {
    const ledger = new DisclosureLedger()
    const logged: string[] = []
    const asked: string[] = []
    const log = Object.assign(() => {}, { error: (...parts: unknown[]) => { logged.push(parts.join(' ')) }, trace: () => {} })
    const request = undiciWebhook(typeof resolve === 'function'
      ? resolve
      : async hostname => {
        asked.push(hostname)
        return resolve.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
      })
    const webhook = new Webhook({ clock: systemClock, random: systemRandom, ledger, log: log as never, request }, { maxAttempts: 1, ...init })
    webhook.send('{}', signal)
    await webhook.idle()
    return { states: ledger.entries().map(({ observer, state }) => [observer, state]), logged: logged.join('\n'), sent: webhook.statistics.sent, asked }
  }

  it.each([
    ['127.0.0.1'], ['::1'], ['10.0.0.1'], ['192.168.1.1'], ['172.16.0.1'], ['100.64.0.1'], ['169.254.169.254'], ['::ffff:127.0.0.1'], ['::ffff:10.0.0.1'], ['fd00::1'], ['fe80::1'], ['64:ff9b::7f00:1'], ['0.0.0.0'], ['::'],
    ['10.0.0.1', '127.0.0.1', '::1'], ['not an address']
  ])('that leads to %s is not connected to, unless somebody named it', async (...addresses) => {
    const { port, ports } = await receiver(() => {}, true)
    const { states, logged, sent, asked } = await send({ url: `https://hook.example.org:${port}/s3cret` }, addresses)
    expect([states, sent, asked]).toEqual([[['party:webhook', 'not-sent'], ['party:dns', 'sent']], 0, ['hook.example.org']])
    expect(logged).toMatch(/hook\.example\.org/)
    expect(logged).toMatch(/is refused/)
    expect(logged).not.toContain('s3cret')
    await knock(port, ports)
    expect(ports()).toHaveLength(1)
  })

  it('that was named leads into private networks, but not to where machines get credentials', async () => {
    const { port, ports } = await receiver(() => {}, true)
    const init = { url: `http://hook.example.org:${port}/`, allow: [`hook.example.org:${port}`] }
    expect(await send(init, ['127.0.0.1'])).toMatchObject({ states: [['party:webhook', 'sent'], ['party:dns', 'sent']], sent: 1 })
    expect(await send(init, ['169.254.169.254'])).toMatchObject({ states: [['party:webhook', 'not-sent'], ['party:dns', 'sent']], sent: 0, logged: expect.stringContaining('169.254.169.254') as unknown })
    // what is refused is left out
    expect(await send(init, ['169.254.169.254', '127.0.0.1'])).toMatchObject({ sent: 1 })
    expect(ports()).toHaveLength(2)
    // localhost is this machine, and needs no name
    expect(await send({ url: `http://localhost:${port}/` }, ['127.0.0.1'])).toMatchObject({ sent: 1 })
  })

  it('is looked up once for a connection, and what was checked is dialled', async () => {
    const { port } = await receiver(() => {}, true)
    let asked = 0
    const { sent } = await send({ url: `http://rebound.example:${port}/`, allow: [`rebound.example:${port}`] }, async () => [{ address: asked++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }])
    expect([sent, asked]).toEqual([1, 1])
  })

  it.each([
    ['leads nowhere', async () => [], 'ENODATA', ['not-sent', 'sent']],
    ['is not known', async () => { throw Object.assign(new Error('s3cret'), { code: 'ENOTFOUND' }) }, 'ENOTFOUND', ['not-sent', 'sent']],
    ['is not answered for', async () => { throw Object.assign(new Error('s3cret'), { code: 'EAI_AGAIN' }) }, 'EAI_AGAIN', ['not-sent', 'unknown']]
  ])('that %s is told to nobody', async (_, resolve: WebhookResolve, code, states) => {
    const result = await send({ url: 'https://hook.example.org/s3cret' }, resolve)
    expect([result.states.map(([, state]) => state), result.sent]).toEqual([states, 0])
    expect(result.logged).toContain(code)
    expect(result.logged).not.toContain('s3cret')
  })

  it('is given up at once where whoever answers for names says nothing', async () => {
    const stop = new AbortController()
    const { states, sent } = await send({ url: 'https://hook.example.org/' }, async () => {
      stop.abort()
      return new Promise<never>(() => {})
    }, stop.signal)
    expect([states, sent]).toEqual([[['party:webhook', 'unknown'], ['party:dns', 'unknown']], 0])
  })
})
