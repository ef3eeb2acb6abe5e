import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { PrivacyMonitor } from '../../src/privacy/monitor.ts'
import { webhookFailed } from '../../src/privacy/monitor-webhook-egress.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { CIDS, PEERS, risk, sample } from './report/sample.ts'
import type { Logger } from '../../src/interface/logger.ts'
import type { PrivacyMonitorInit } from '../../src/privacy/monitor-params.ts'
import type { WebhookRequest } from '../../src/privacy/monitor-webhook-egress.ts'
import type { WebhookInit } from '../../src/privacy/monitor-webhook.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly host: string
  readonly posts: Array<{ readonly body: string, readonly request: IncomingMessage, readonly at: number }>
  readonly server: Server
}

/** A receiver on this machine that answers as it is told */
async function receiver (clock: VirtualClock, answer: (response: ServerResponse, count: number) => void = response => { response.writeHead(204).end() }): Promise<Receiver> {
  const posts: Receiver['posts'] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => {
      posts.push({ body, request, at: clock.now() })
      answer(response, posts.length)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}/hooks/T0P-SECRET?key=s3cret`,
    host,
    posts,
    server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>(resolve => { server.close(() => { resolve() }) })
    }
  }
}

function monitored (clock: VirtualClock, init: PrivacyMonitorInit): { monitor: PrivacyMonitor, ledger: DisclosureLedger, logged: string[], score: number } {
  const logged: string[] = []
  const log = (...parts: unknown[]): void => { logged.push(parts.map(String).join(' ')) }
  const logger = { forComponent: () => Object.assign(log, { error: log, trace: log }) as unknown as Logger }
  const ledger = new DisclosureLedger({ clock })
  const result = { ledger, logged, score: 0.9 } as unknown as ReturnType<typeof monitored>
  const risks = [risk({ title: `Peer ${PEERS[0]} asked for ${CIDS[0]}`, evidence: { address: '/ip4/203.0.113.7/tcp/4001' } })]
  result.monitor = new PrivacyMonitor({ analyze: () => privacyReport(sample({ overallRiskScore: result.score, risks })) }, { clock, ledger, logger, random: seededRandom(1), ...init })
  return result
}

/** Until it is so, however slow the network: time passes meanwhile, so that no deadline of these tests may be near */
async function until (clock: VirtualClock, done: () => boolean): Promise<void> {
  while (!done()) {
    await clock.advance(100)
  }
}

/** Until it is so, without any time passing */
async function seen (done: () => boolean): Promise<void> {
  while (!done()) {
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

function raise (what: unknown): never {
  throw what
}

/** No test waits for it, so that none depends on how fast the machine is */
const FAR = 600_000

const settled = (monitor: PrivacyMonitor) => (): boolean => {
  const { sent = 0, failed = 0, dropped = 0 } = monitor.getStatistics().webhook ?? {}
  const { totalAlerts } = monitor.getStatistics()
  return totalAlerts > 0 && sent + failed + dropped === totalAlerts
}

describe('the webhook', () => {
  it('gets one alert as JSON, redacted, and the ledger says that it was told', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock)
    const { monitor, ledger, logged } = monitored(clock, { webhook: { url: server.url, timeoutMs: FAR } })
    monitor.start()
    await until(clock, () => monitor.getStatistics().webhook?.sent === 1)
    await monitor.stop()

    const [post] = server.posts
    expect([post?.request.method, post?.request.headers['content-type'], post?.request.url]).toEqual(['POST', 'application/json', '/hooks/T0P-SECRET?key=s3cret'])
    const alert = JSON.parse(post?.body ?? '') as { timestamp: number, riskScore: number, risks: unknown[] }
    expect(alert).toMatchObject({ type: 'portolan-privacy-alert', riskScore: 0.9, riskThreshold: 0.7, reason: 'crossed', redacted: true, risks: [{ title: 'Peer peer-1 asked for cid-1' }] })
    expect(post?.body).not.toMatch(new RegExp(`${PEERS.join('|')}|${CIDS[0]}|203\\.0\\.113`))
    expect(ledger.entries()).toMatchObject([{ observer: 'party:webhook', form: 'none', transport: 'http', audience: 'one', state: 'sent' }])
    expect(logged.join()).not.toMatch(/T0P|s3cret/)
    expect([server.posts.length, clock.pending]).toEqual([1, 0])
  })

  it('gets a message for Slack where that is asked for', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock)
    const { monitor } = monitored(clock, { webhook: { url: server.url, format: 'slack', timeoutMs: FAR }, raw: true })
    monitor.start()
    await until(clock, () => server.posts.length === 1)
    await monitor.stop()
    expect(JSON.parse(server.posts[0]?.body ?? '')).toMatchObject({ attachments: [{ color: '#d32f2f' }], blocks: expect.any(Array) as unknown })
    expect(server.posts[0]?.body).not.toContain(PEERS[0])
  })

  it('is tried again, later each time, and when it says', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock, (response, count) => { response.writeHead([0, 503, 429, 500, 200][count] ?? 200, count === 2 ? { 'retry-after': '30' } : {}).end('x'.repeat(100)) })
    const { monitor, ledger } = monitored(clock, { webhook: { url: server.url, timeoutMs: FAR }, checkIntervalMs: 3_600_000 })
    monitor.start()
    await until(clock, settled(monitor))
    await monitor.stop()
    expect(monitor.getStatistics().webhook).toEqual({ sent: 1, failed: 0, dropped: 0, waiting: 0 })
    const [first = 0, second = 0, third = 0, fourth = 0] = server.posts.map(({ at }) => at)
    expect([second - first >= 750, third - second >= 30_000, fourth - third >= 3_000]).toEqual([true, true, true])
    expect(ledger.entries().map(({ state }) => state)).toEqual(['sent', 'sent', 'sent', 'sent'])
  })

  it.each([301, 307, 400, 401, 404, 410])('is given up at %d: no redirect is followed', async status => {
    const clock = new VirtualClock()
    await using elsewhere = await receiver(clock)
    await using server = await receiver(clock, response => { response.writeHead(status, { location: elsewhere.url }).end() })
    const { monitor, logged } = monitored(clock, { webhook: { url: server.url, timeoutMs: FAR } })
    monitor.start()
    await until(clock, settled(monitor))
    await monitor.stop()
    expect([server.posts.length, elsewhere.posts.length, monitor.getStatistics().webhook?.failed]).toEqual([1, 0, 1])
    expect(logged.join()).toContain(`${server.host} it answered ${status}`)
    expect(logged.join()).not.toMatch(/T0P|s3cret/)
  })

  it('that never answers is waited for so long and no longer', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock, () => {})
    const { monitor, ledger, logged } = monitored(clock, { webhook: { url: server.url, timeoutMs: 5_000, maxAttempts: 1 } })
    monitor.start()
    await clock.advance(0)
    await seen(() => server.posts.length === 1)
    await clock.advance(4_999)
    expect(monitor.getStatistics().webhook?.failed).toBe(0)
    await clock.advance(1)
    await until(clock, settled(monitor))
    await monitor.stop()
    expect([monitor.getStatistics().webhook?.failed, server.posts.length, clock.pending]).toEqual([1, 1, 0])
    expect(ledger.entries().map(({ state }) => state)).toEqual(['unknown'])
    expect(logged.join()).toContain('no answer within 5000 ms')
  })

  it('that is not there learns nothing', async () => {
    const clock = new VirtualClock()
    const { url, [Symbol.asyncDispose]: close } = await receiver(clock)
    await close()
    const { monitor, ledger } = monitored(clock, { webhook: { url, maxAttempts: 3, timeoutMs: FAR } })
    monitor.start()
    await until(clock, settled(monitor))
    await monitor.stop()
    expect(ledger.entries().map(({ state }) => state)).toEqual(['not-sent', 'not-sent', 'not-sent'])
  })

  it('that has a name is told to whoever answers for it, and the ledger says so', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock)
    const named = monitored(clock, { webhook: { url: server.url.replace('127.0.0.1', 'localhost'), timeoutMs: FAR } })
    named.monitor.start()
    await until(clock, settled(named.monitor))
    await named.monitor.stop()
    expect(named.ledger.entries().map(({ observer, form, state }) => [observer, form, state])).toEqual([['party:webhook', 'none', 'sent'], ['party:dns', 'hostname', 'sent']])

    for (const [code, state] of [['ENOTFOUND', 'sent'], ['EAI_AGAIN', 'unknown']] as const) {
      const request: WebhookRequest = async (_, disclosure) => {
        const err = Object.assign(new Error(code), { code })
        webhookFailed(err, disclosure)
        throw err
      }
      const nowhere = monitored(clock, { webhook: { url: server.url.replace('127.0.0.1', 'localhost'), maxAttempts: 1 }, request })
      nowhere.monitor.start()
      await until(clock, settled(nowhere.monitor))
      await nowhere.monitor.stop()
      expect(nowhere.ledger.entries().map(({ observer, state }) => [observer, state])).toEqual([['party:webhook', 'not-sent'], ['party:dns', state]])
    }
  })

  it.each([
    ['resolves with nothing', async () => undefined, 'TypeError'], ['resolves with null', async () => null, 'TypeError'], ['has no number for a status', async () => ({ status: '200' }), 'TypeError'],
    ['throws null', async () => raise(null), 'Error'], ['throws a text', async () => raise('SECRET'), 'Error'], ['throws at once', () => { throw new RangeError('SECRET') }, 'RangeError'],
    ['throws what is called like its message', async () => { throw Object.assign(new Error('no'), { name: 'a SECRET' }) }, 'Error'],
    ['throws a code that is none', async () => { throw Object.assign(new Error('no'), { code: { SECRET: 1 }, cause: null }) }, 'Error']
  ])('whose request %s has failed, and nothing else has', async (_, request, told) => {
    const clock = new VirtualClock()
    const { monitor, ledger, logged } = monitored(clock, { webhook: { url: 'https://alerts.example/', maxAttempts: 2 }, request: request as unknown as WebhookRequest })
    monitor.start()
    await until(clock, settled(monitor))
    await monitor.stop()
    expect([monitor.getStatistics().webhook?.failed, clock.pending]).toEqual([1, 0])
    expect(ledger.entries().filter(({ observer }) => observer === 'party:webhook').map(({ state }) => state)).toEqual(['unknown', 'unknown'])
    expect(logged.join()).toContain(`alerts.example ${told}`)
    expect(logged.join()).not.toContain('SECRET')
  })

  it.each([-86_400_000, 86_400_000])('is asked again when it says, though the wall clock was set by %d ms', async ms => {
    const clock = new VirtualClock()
    const { wall } = clock
    const at: number[] = []
    const request: WebhookRequest = async (_, disclosure) => {
      disclosure.sent()
      at.push(clock.now())
      if (at.length > 1) {
        return { status: 200 }
      }
      const retryAfter = new Date(wall.call(clock) + 30_000).toUTCString()
      Object.assign(clock, { wall: () => wall.call(clock) + ms })
      return { status: 503, retryAfter }
    }
    const { monitor } = monitored(clock, { webhook: { url: 'https://alerts.example/' }, request })
    monitor.start()
    await until(clock, settled(monitor))
    await monitor.stop()
    const [first = 0, second = 0] = at
    expect([at.length, second - first <= 60_000, clock.pending]).toEqual([2, true, 0])
  })

  it('that is down holds a few alerts, the newest', async () => {
    const clock = new VirtualClock()
    let down = true
    await using server = await receiver(clock, response => { response.writeHead(down ? 503 : 200).end() })
    const it = monitored(clock, { webhook: { url: server.url, maxAttempts: 20, maxWaiting: 2, timeoutMs: FAR }, checkIntervalMs: 1 })
    it.monitor.start()
    for (let i = 0; i < 10; i++) {
      it.score = i % 2 === 0 ? 0.9 : 0.1
      await it.monitor.check()
    }
    expect(it.monitor.getStatistics().webhook?.waiting).toBeLessThanOrEqual(2)
    it.score = 0.1
    down = false
    await until(clock, settled(it.monitor))
    await it.monitor.stop()
    expect(it.monitor.getStatistics().webhook).toMatchObject({ dropped: 2, sent: 3, waiting: 0 })
  })

  it('is left at stop at once, whatever it is doing', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock, () => {})
    const { monitor } = monitored(clock, { webhook: { url: server.url, timeoutMs: FAR } })
    monitor.start()
    await until(clock, () => server.posts.length === 1)
    await monitor.stop()
    expect([monitor.getStatistics().webhook, clock.pending]).toEqual([{ sent: 0, failed: 0, dropped: 1, waiting: 0 }, 0])
    await clock.advance(60_000)
    expect(server.posts.length).toBe(1)
  })

  it('hears nothing of a check that somebody asks for while the monitor does not run', async () => {
    const clock = new VirtualClock()
    await using server = await receiver(clock)
    const { monitor } = monitored(clock, { webhook: { url: server.url, timeoutMs: FAR } })
    await monitor.check()
    await clock.advance(1_000)
    expect([server.posts.length, monitor.getStatistics().totalAlerts]).toEqual([0, 1])
  })

  it.each<[string | WebhookInit, RegExp]>([
    ['hello s3cret', /must be a URL/],
    ['file:///etc/s3cret', /must be a URL/],
    ['http://gateway.example/s3cret', /gateway\.example must begin with https/],
    ['http://10.0.0.1/s3cret', /must begin with https/],
    ['https://10.0.0.1/s3cret', /is refused: it is/],
    ['https://169.254.169.254/s3cret', /is refused: it is/],
    ['https://[fd00::1]/s3cret', /is refused: it is/],
    ['https://hooks.example:22/s3cret', /port 22 belongs to another service/],
    ['https://user:s3cret@hooks.example/', /no user and password/],
    [{ url: 'https://hooks.example/s3cret', format: 'xml' as 'json' }, /json or slack/],
    [{ url: 'https://hooks.example/s3cret', timeoutMs: 0 }, /webhook.timeoutMs/],
    [{ url: 'https://hooks.example/s3cret', maxAttempts: 21 }, /webhook.maxAttempts/],
    [{ url: 'https://hooks.example/s3cret', maxWaiting: Number.NaN }, /webhook.maxWaiting/]
  ])('at %s is refused, without telling its secret', (webhook, message) => {
    try {
      monitored(new VirtualClock(), { webhook })
      expect.unreachable()
    } catch (err) {
      expect(['InvalidOptionError', 'AddressRefusedError']).toContain((err as Error).name)
      expect(String(err)).toMatch(message)
      expect(String(err)).not.toContain('s3cret')
    }
  })

  it.each<string | WebhookInit>([
    'https://hooks.slack.com/services/x', 'http://localhost:9000/', 'http://[::1]:9000/', 'https://127.0.0.1:9000/',
    { url: 'http://10.0.0.1:9000/', allow: ['10.0.0.0/8'] }, { url: 'http://gateway.example/', allow: ['gateway.example'] }, { url: 'https://10.0.0.1/', allow: ['10.0.0.1'] }
  ])('at %o is taken', webhook => {
    expect(monitored(new VirtualClock(), { webhook }).monitor.getStatistics().webhook).toEqual({ sent: 0, failed: 0, dropped: 0, waiting: 0 })
  })
})
