import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { privacyReportSchema } from '../../src/privacy/report/report-schema.ts'
import { ask } from '../gateway/fixture.ts'
import { schemaFaults } from '../privacy/report/json-schema.ts'
import { Scope, start } from './fixture.ts'

const VIEWER = 'viewer-token-0123456789'
const scope = new Scope()
afterEach(async () => { await scope.close() })

describe('a node that serves', () => {
  it('has reports for holders of tokens, metrics of them, and stops with nothing left over', async () => {
    const store = scope.directory()
    const node = start(['serve', '--store', store, '--port', '0', '--control-port', '0'], { PORTOLAN_PRIVACY_TOKENS: `viewer:${VIEWER}` })
    scope.add(async () => {
      node.child.kill('SIGKILL')
      await node.finished
    })
    await node.until(/Ctrl-C stops it/)
    const { url } = JSON.parse(readFileSync(join(store, 'control.json'), 'utf8')) as { url: string }
    const operator = readFileSync(join(store, 'control.token'), 'utf8').trim()
    const get = async (path: string, token: string): ReturnType<typeof ask> => ask(url, path, { headers: { authorization: `Bearer ${token}` } })

    const json = await get('/api/privacy/report', VIEWER)
    expect([json.status, schemaFaults(privacyReportSchema, JSON.parse(json.text))]).toEqual([200, []])
    expect(JSON.parse(json.text)).toMatchObject({ source: 'real', redacted: true, timeline: { bins: expect.any(Array) as unknown } })
    expect((await get('/api/privacy/report?format=html', operator)).text).toMatch(/^<!doctype html>/)
    expect((await get('/api/privacy/report?raw=1', VIEWER)).status).toBe(403)
    expect((await get('/api/stats', VIEWER)).status).toBe(401)

    const metrics = (await get('/metrics', operator)).text
    for (const name of ['privacy_risk_score', 'privacy_connections_total', 'privacy_unique_peers', 'privacy_high_risks', 'privacy_critical_risks', 'privacy_exposures{observer_class="peer"}']) {
      expect(metrics).toMatch(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} [\\d.]+$`, 'm'))
    }
    node.child.kill('SIGINT')
    const { code, stdout, stderr } = await node.finished
    expect([code, stdout, stderr.includes(VIEWER)]).toEqual([0, '', false])
  })
})
