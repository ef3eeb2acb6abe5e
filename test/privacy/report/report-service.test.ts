import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../../src/interface/errors.ts'
import { privacyReport } from '../../../src/privacy/analysis/report.ts'
import { RateLimit } from '../../../src/privacy/report/rate-limit.ts'
import { UnknownFormatError } from '../../../src/privacy/report/report-format.ts'
import { AccessDeniedError, PrivacyReportService, RateLimitedError } from '../../../src/privacy/report/report-service.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { PEERS, sample } from './sample.ts'
import type { Logger } from '../../../src/interface/logger.ts'
import type { ReportServiceInit } from '../../../src/privacy/report/report-service.ts'

const VIEWER = 'viewer-token-0123456789'
const ADMIN = 'admin-token-0123456789'

function setup (init: Partial<ReportServiceInit> = {}, analyze = () => privacyReport(sample())) {
  const clock = new VirtualClock()
  const logged: string[] = []
  const log = (...parts: unknown[]): void => { logged.push(parts.map(String).join(' ')) }
  const logger = { forComponent: () => Object.assign(log, { error: log, trace: log }) as unknown as Logger }
  let analyses = 0
  const service = new PrivacyReportService({
    analyzer: {
      analyze: () => {
        analyses++
        return analyze()
      }
    },
    clock,
    logger
  }, { tokens: [{ role: 'viewer', token: VIEWER }, { role: 'admin', sha256: createHash('sha256').update(ADMIN).digest('hex') }], ...init })
  const pass = async (ms: number): Promise<void> => { await clock.run(clock.sleep(ms)) }
  return { service, clock, logged, pass, analyses: () => analyses }
}

const errorOf = ({ body }: { body: string }): string => (JSON.parse(body) as { error: { name: string } }).error.name

describe('PrivacyReportService', () => {
  it('gives a viewer what is redacted, and an admin what is raw where they ask for it', () => {
    const { service } = setup()
    expect(service.handle({ token: VIEWER }).body).not.toContain(PEERS[0])
    expect(service.handle({ token: ADMIN }).body).not.toContain(PEERS[0])
    expect(service.handle({ token: ADMIN, raw: true }).body).toContain(PEERS[0])
    expect(service.handle({ role: 'admin', raw: true }).body).toContain(PEERS[0])

    const refused = service.handle({ token: VIEWER, raw: true })
    expect([refused.status, errorOf(refused), refused.body.includes(PEERS[0] as string)]).toEqual([403, 'AccessDeniedError', false])
    expect(service.handle({ role: 'viewer', raw: true }).status).toBe(403)
  })

  it.each([undefined, '', 'wrong-token-0123456789', VIEWER.slice(1), `${VIEWER}x`, VIEWER.toUpperCase(), 'x'.repeat(1_000_000), createHash('sha256').update(ADMIN).digest('hex')])('refuses the token %.30s', token => {
    const { service, analyses } = setup()
    const answer = service.handle({ token })
    expect([answer.status, errorOf(answer), answer.headers['www-authenticate'], analyses()]).toEqual([401, 'AccessDeniedError', 'Bearer realm="portolan privacy"', 0])
  })

  it('lets nobody in where there are no tokens', () => {
    const { service } = setup({ tokens: [] })
    expect([service.handle({}).status, service.handle({ token: '' }).status]).toEqual([401, 401])
  })

  it.each([
    [{ format: 'html' }, 'text/html; charset=utf-8', /^<!doctype html>/],
    [{ format: 'console' }, 'text/plain; charset=utf-8', /^Privacy report/],
    [{ format: 'slack' }, 'application/json', /"attachments"/],
    [{ accept: 'text/html' }, 'text/html; charset=utf-8', /^<!doctype html>/],
    [{ accept: 'text/html', format: 'json' }, 'application/json', /"redacted": true/],
    [{}, 'application/json', /"redacted": true/]
  ])('answers %o in its format', (request, type, body) => {
    const answer = setup().service.handle({ token: VIEWER, ...request })
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control'], answer.headers['x-content-type-options']]).toEqual([200, type, 'no-store', 'nosniff'])
    expect(answer.body).toMatch(body)
    expect('content-security-policy' in answer.headers).toBe(type.startsWith('text/html'))
  })

  it('names formats that there are not, and widths that are none', () => {
    const { service } = setup()
    expect(service.handle({ token: VIEWER, format: 'pdf' })).toMatchObject({ status: 400, body: expect.stringMatching(/UnknownFormatError[^]*console, json, html, slack/) as unknown })
    expect(service.handle({ token: VIEWER, accept: 'image/png' })).toMatchObject({ status: 406 })
    expect(errorOf(service.handle({ token: VIEWER, format: 'console', width: Number.NaN }))).toBe('InvalidOptionError')
    expect(() => service.report({ token: VIEWER, format: 'pdf' })).toThrow(expect.objectContaining({ name: 'UnknownFormatError' }))
  })

  it('limits each token, and tells when to come again', async () => {
    const { service, pass } = setup({ requestsPerMinute: 3 })
    expect(Array.from({ length: 4 }, () => service.handle({ token: VIEWER }).status)).toEqual([200, 200, 200, 429])
    expect(service.handle({ token: ADMIN }).status).toBe(200)
    expect(service.handle({ token: VIEWER }).headers['retry-after']).toBe('20')
    await pass(20_000)
    expect([service.handle({ token: VIEWER }).status, service.handle({ token: VIEWER }).status]).toEqual([200, 429])
  })

  it('limits wrong tokens of one client, and no other', async () => {
    const { service, pass } = setup({ failuresPerMinute: 2 })
    const wrong = (client: string): number => service.handle({ client, token: 'wrong-token-0123456789' }).status
    expect([wrong('a'), wrong('a'), wrong('a'), wrong('b')]).toEqual([401, 401, 429, 401])
    // who has to wait waits with every token: there is no telling a right guess from a wrong one
    expect([service.handle({ client: 'a', token: VIEWER }).status, service.handle({ client: 'b', token: VIEWER }).status, service.handle({ client: 'a', role: 'admin' }).status]).toEqual([429, 200, 200])
    await pass(30_000)
    expect(service.handle({ client: 'a', token: VIEWER }).status).toBe(200)
  })

  it.each([
    [['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:192.0.2.1'], '192.0.2.2'],
    [['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:DB8::1:0:0:0:7', '2001:db8:0:1::1%eth0'], '2001:db8:0:2::1']
  ])('takes %j for one client, and %s for another', (same, other) => {
    const { service } = setup({ failuresPerMinute: 3 })
    const wrong = (client: string): number => service.handle({ client, token: 'wrong-token-0123456789' }).status
    expect(Array.from({ length: 3 }, (_, i) => wrong(same[i % same.length] as string))).toEqual([401, 401, 401])
    expect(same.map(client => service.handle({ client, token: VIEWER }).status)).toEqual(same.map(() => 429))
    expect(service.handle({ client: other, token: VIEWER }).status).toBe(200)
  })

  it('remembers a bounded number of clients, however many there are', () => {
    const limit = new RateLimit(new VirtualClock(), { perMinute: 2, maxKeys: 100 })
    for (let i = 0; i < 10_000; i++) {
      limit.take(`client-${i}`)
    }
    expect(limit.size).toBe(100)
  })

  it('never gives more than the rate and one minute at once', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 60 }), async (perMinute, pauses) => {
      const clock = new VirtualClock()
      const limit = new RateLimit(clock, { perMinute, maxKeys: 10 })
      const taken: number[] = []
      for (const pause of pauses) {
        await clock.run(clock.sleep(pause))
        if (limit.wait('a') === 0) {
          limit.take('a')
          taken.push(clock.now())
        }
      }
      const inMinute = taken.map(at => taken.filter(other => other >= at && other < at + 60_000).length)
      expect(Math.max(0, ...inMinute)).toBeLessThanOrEqual(2 * perMinute)
      expect(taken.length).toBeLessThanOrEqual(perMinute + perMinute * clock.now() / 60_000 + 1)
    }), { numRuns: 50 })
  })

  it('analyses once for those who ask at once', async () => {
    const { service, pass, analyses } = setup()
    service.handle({ token: VIEWER })
    service.handle({ token: ADMIN, format: 'html' })
    expect(analyses()).toBe(1)
    await pass(1_000)
    service.handle({ token: VIEWER })
    expect(analyses()).toBe(2)
  })

  it('says no more of a failure than that there was one, and logs no raw data and no token', () => {
    const { service, logged } = setup({}, () => { throw new TypeError(`cannot read ${PEERS[0]}`) })
    const answer = service.handle({ token: ADMIN, raw: true })
    expect([answer.status, errorOf(answer)]).toEqual([500, 'ReportFailedError'])
    service.handle({ token: 'wrong-token-0123456789' })
    service.handle({ token: VIEWER, raw: true })
    expect(logged).toHaveLength(2)
    expect(`${answer.body}${logged.join()}`).not.toMatch(new RegExp([PEERS[0], VIEWER, ADMIN, 'wrong-token'].join('|')))
  })

  it.each([
    null, undefined, 'SECRET', 5, Symbol('SECRET'), Object.create(null),
    ...['toString', 'constructor', '__proto__', 'hasOwnProperty', 'AccessDeniedError', 'RateLimitedError', 'UnknownFormatError', 'InvalidOptionError', `peer ${PEERS[0]}`, PEERS[0]].map(name => Object.assign(new Error('SECRET'), { name })),
    new InvalidOptionError('SECRET'), new AccessDeniedError('role', 'SECRET'), new RateLimitedError(5, 'SECRET'), new UnknownFormatError('SECRET'),
    Object.defineProperty(new Error('SECRET'), 'name', { get: () => { throw new Error('SECRET') } })
  ])('takes nothing from what a format or an analyzer of somebody else throws: %#', thrown => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- foreign code throws anything
    const boom = (): never => { throw thrown }
    for (const { service, logged } of [setup({ formats: [{ name: 'mine', mediaType: 'text/plain', extension: 'txt', render: boom }] }), setup({ formats: [{ name: 'mine', mediaType: 'text/plain', extension: 'txt', render: () => '' }] }, boom), setup({ formats: [{ name: 'mine', mediaType: 'text/plain', extension: 'txt', render: () => '' }], context: boom })]) {
      const answer = service.handle({ token: VIEWER, format: 'mine' })
      expect([answer.status, JSON.parse(answer.body)]).toEqual([500, { error: { name: 'ReportFailedError', message: 'The report could not be made.' } }])
      expect(logged).toHaveLength(1)
      expect(logged.join()).not.toMatch(new RegExp(`SECRET|${PEERS[0]}`))
    }
  })

  it.each([null, undefined, 5, {}])('has no answer in %o where a format is to give a text', text => {
    const { service } = setup({ formats: [{ name: 'mine', mediaType: 'text/plain', extension: 'txt', render: () => text as unknown as string }] })
    expect(service.handle({ token: VIEWER, format: 'mine' })).toMatchObject({ status: 500, body: expect.stringContaining('ReportFailedError') as unknown })
  })

  it.each([
    [{ role: 'root' }, /role must be viewer or admin, got .*root/], [{ role: '' }, /role must be/], [{ role: ['admin'] }, /role must be/], [{ role: 'toString' }, /role must be/],
    [{ token: VIEWER, client: 5 }, /client must be a string, got 5/], [{ token: VIEWER, client: ['192.0.2.1'] }, /client must be/],
    [{ token: VIEWER, accept: 5 }, /accept must be a string/], [{ token: VIEWER, accept: ['text/html'] }, /accept must be/],
    [{ token: VIEWER, format: ['json'] }, /there is no format/], [{ token: VIEWER, format: '__proto__' }, /there is no format/], [{ token: VIEWER, format: Object.create(null) as unknown }, /there is no format/],
    [{ token: VIEWER, width: '80' }, /width must be a number/], [{ token: VIEWER, width: Number.NaN }, /width must be/], [{ token: ADMIN, raw: 1 }, /raw must be a boolean/], [{ token: VIEWER, verbose: 'yes' }, /verbose must be/],
    [undefined, /a request for a report must be an object/], [null, /must be an object/], ['', /must be an object/], [5, /must be an object/]
  ])('refuses a request that makes no sense, by its name: %#', (request, message) => {
    const { service, analyses, logged } = setup()
    const answer = service.handle(request as never)
    const { name, message: said } = (JSON.parse(answer.body) as { error: { name: string, message: string } }).error
    expect([answer.status, ['InvalidOptionError', 'UnknownFormatError'].includes(name), analyses(), logged]).toEqual([400, true, 0, []])
    expect(said).toMatch(message)
    expect(() => service.report(request as never)).toThrow(message)
  })

  it('takes null for what is not there, and answers whatever it is asked', () => {
    const { service } = setup()
    expect(service.handle({ token: VIEWER, role: null, client: null, format: null, accept: null, raw: null, verbose: null, width: null } as never).status).toBe(200)

    const anything = fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true })
    fc.assert(fc.property(fc.record({ token: anything, role: anything, client: anything, format: anything, accept: anything, raw: anything, verbose: anything, width: anything }, { requiredKeys: [] }), request => {
      const { status, body } = setup().service.handle(request as never)
      expect([400, 401]).toContain(status)
      expect(JSON.parse(body)).toHaveProperty('error.message')
    }))
  })

  it.each([[[VIEWER]], [5], [{}], [{ toString: () => VIEWER }], [Object.create(null) as unknown], [true]])('counts %o for a wrong token', token => {
    const { service } = setup({ failuresPerMinute: 2 })
    expect(Array.from({ length: 3 }, () => service.handle({ client: 'a', token } as never).status)).toEqual([401, 401, 429])
  })

  it.each([-86_400_000, 86_400_000])('has the same limits, and the same report for those who ask at once, when the wall clock is set by %d ms', async ms => {
    const { service, clock, pass, analyses } = setup({ requestsPerMinute: 3, failuresPerMinute: 2 })
    const wrong = (): number => service.handle({ client: 'a', token: 'wrong-token-0123456789' }).status
    expect([service.handle({ token: VIEWER }).status, service.handle({ token: VIEWER }).status, wrong(), wrong()]).toEqual([200, 200, 401, 401])
    const { wall } = clock
    Object.assign(clock, { wall: () => wall.call(clock) + ms })
    expect([service.handle({ token: VIEWER }).status, service.handle({ token: VIEWER }).status, wrong(), analyses()]).toEqual([200, 429, 429, 1])
    await pass(30_000)
    expect([service.handle({ token: VIEWER }).status, service.handle({ token: VIEWER }).status, wrong(), wrong(), analyses()]).toEqual([200, 429, 401, 429, 2])
  })

  it('gives no more after a day without time between than after a minute', async () => {
    const { service, pass } = setup({ requestsPerMinute: 2 })
    const ask = (): number[] => Array.from({ length: 3 }, () => service.handle({ token: VIEWER }).status)
    expect(ask()).toEqual([200, 200, 429])
    await pass(86_400_000)
    expect(ask()).toEqual([200, 200, 429])
  })

  it('shows what goes with the reports, as it is when they are made', () => {
    let checks = 1
    const { service } = setup({ context: () => ({ title: `check ${checks}`, history: [{ timestamp: 1, riskScore: 0.5 }] }) })
    expect(service.handle({ token: VIEWER }).body).toMatch(/"title": "check 1"/)
    checks = 2
    expect(service.handle({ token: VIEWER }).body).toMatch(/"title": "check 2"[^]*"riskScore": 0.5/)
  })

  it.each([
    [{ tokens: [{ role: 'viewer' as const, token: 'short' }] }, /token 1 must have 16 to 512/],
    [{ tokens: [{ role: 'viewer' as const, token: 'with a space 0123456' }] }, /token 1 must have/],
    [{ tokens: [{ role: 'root' as 'admin', token: VIEWER }] }, /role of token 1/],
    [{ tokens: [{ role: 'viewer' as const, sha256: 'abc' }] }, /sha256 of token 1/],
    [{ tokens: [{ role: 'viewer' as const, token: VIEWER }, { role: 'admin' as const, token: VIEWER }] }, /token 2 is there twice/],
    [{ tokens: Array.from({ length: 257 }, (_, i) => ({ role: 'viewer' as const, token: `${VIEWER}${i}` })) }, /at most 256/],
    [{ requestsPerMinute: 0 }, /requestsPerMinute must be a whole number from 1/],
    [{ failuresPerMinute: Number.NaN }, /failuresPerMinute must be/]
  ])('refuses options that make no sense: %#', (init, message) => {
    expect(() => setup(init)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringMatching(message) as unknown }))
    try {
      setup(init)
    } catch (err) {
      expect(String(err)).not.toMatch(/short|0123456/)
    }
  })
})
