import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Control } from '../../src/gateway/control.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { PrivacyReportService } from '../../src/privacy/report/report-service.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { PEERS, sample } from '../privacy/report/sample.ts'
import { StoreRouting, ask, quietLogger } from './fixture.ts'
import type { Answer } from './fixture.ts'

const VIEWER = 'viewer-token-0123456789'
const ADMIN = 'admin-token-0123456789'
// time stands still, so that limits do not depend on how fast the machine is
const service = new PrivacyReportService({ analyzer: { analyze: () => privacyReport(sample()) }, clock: new VirtualClock() }, { tokens: [{ role: 'viewer', token: VIEWER }, { role: 'admin', token: ADMIN }], failuresPerMinute: 5, requestsPerMinute: 100 })
const common = { contentRouting: new StoreRouting(), files: unixfsFiles, parseCID: (text: string) => parseCID(text), clock: systemClock, logger: quietLogger, stats: () => ({}), ready: () => true }
const control = new Control({ ...common, metrics: new MetricRegistry(), privacyReports: service }, { port: 0 })
let url: string

beforeAll(async () => { url = (await control.start()).url })
afterAll(async () => { await control.stop() })

const get = async (query: string, token?: string, options: { method?: string, headers?: Record<string, string> } = {}): Promise<Answer> =>
  ask(url, `/api/privacy/report${query}`, { method: options.method, headers: { ...options.headers, ...(token == null ? {} : { authorization: `Bearer ${token}` }) } })

describe('/api/privacy/report', () => {
  it('gives viewers redacted reports, admins and the node\'s own user raw ones too', async () => {
    expect((await get('', VIEWER)).text).not.toContain(PEERS[0])
    expect((await get('?raw=1', ADMIN)).text).toContain(PEERS[0])
    expect((await get('?raw=1', control.token)).text).toContain(PEERS[0])
    expect((await get('', control.token)).text).not.toContain(PEERS[0])

    const refused = await get('?raw=1', VIEWER)
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([403, { error: { name: 'AccessDeniedError' } }])
  })

  it('is in the format that is asked for', async () => {
    const page = await get('', VIEWER, { headers: { accept: 'text/html' } })
    expect([page.headers['content-type'], page.headers['content-security-policy'], page.headers['cache-control'], page.headers['x-content-type-options']])
      .toEqual(['text/html; charset=utf-8', expect.stringMatching(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/) as unknown, 'no-store', 'nosniff'])
    expect(page.text).toMatch(/^<!doctype html>/)
    expect((await get('?format=console&width=40', VIEWER)).text.split('\n').every(line => line.length <= 40)).toBe(true)
    expect((await get('?format=pdf', VIEWER)).status).toBe(400)
    expect((await get('?format=console&width=wide', VIEWER)).status).toBe(400)
    expect((await get('', VIEWER, { headers: { accept: 'image/png' } })).status).toBe(406)
  })

  it('opens nothing else to those tokens', async () => {
    for (const path of ['/metrics', '/api/stats', '/api/privacy/report/', '/api/privacy', '/api/explain?cid=x']) {
      expect((await ask(url, path, { headers: { authorization: `Bearer ${ADMIN}` } })).status).toBe(401)
    }
  })

  it('is for GET and HEAD', async () => {
    expect((await get('', VIEWER, { method: 'POST' })).status).toBe(405)
    const head = await get('', VIEWER, { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([200, ''])
  })

  it('refuses other host names', async () => {
    expect((await get('', VIEWER, { headers: { host: 'rebound.example' } })).status).toBe(403)
  })

  it('is not there where nobody makes reports', async () => {
    const bare = new Control({ ...common, metrics: new MetricRegistry() }, { port: 0 })
    const { url } = await bare.start()
    try {
      expect((await ask(url, '/api/privacy/report', { headers: { authorization: `Bearer ${bare.token}` } })).status).toBe(404)
      expect((await ask(url, '/api/privacy/report', { headers: { authorization: `Bearer ${ADMIN}` } })).status).toBe(401)
    } finally {
      await bare.stop()
    }
  })

  it('lets nobody guess for long, and the node\'s own user in all the same', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 7; i++) {
      statuses.push((await get('', `wrong-token-01234567${i}`)).status)
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
    const waiting = await get('', VIEWER)
    expect([waiting.status, waiting.headers['retry-after']]).toEqual([429, '12'])
    expect((await get('', control.token)).status).toBe(200)
  })
})
