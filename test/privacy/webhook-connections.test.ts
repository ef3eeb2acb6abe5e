import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { Webhook } from '../../src/privacy/monitor-webhook.ts'
import { undiciWebhookRequest } from '../../src/privacy/webhook-undici-egress.ts'
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
    const last = connect(port, '127.0.0.1')
    close.push(() => last.destroy())
    await once(last, 'connect')
    while (!ports().includes(last.localPort ?? 0)) {
      await new Promise(resolve => setImmediate(resolve))
    }
    expect([ports().length - 1, ledger.entries().map(({ state }) => state), webhook.statistics.sent]).toEqual(moment === 'answered' ? [1, ['sent'], 1] : [1, ['unknown'], 0])
    last.destroy()
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
