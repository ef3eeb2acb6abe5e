import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { newNonce, tokenProof } from '../../src/gateway/control-token.ts'
import { Control } from '../../src/gateway/control.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { StoreRouting, ask, quietLogger } from './fixture.ts'
import type { Answer } from './fixture.ts'

const site = await welcomeSite()
const routing = new StoreRouting()
let ready = true
const control = new Control({
  contentRouting: routing, files: unixfsFiles, parseCID, clock: systemClock, logger: quietLogger, metrics: new MetricRegistry(), stats: () => ({ a: 1 }), ready: () => ready
}, { port: 0, allowedHosts: ['node.example'] })
let url: string

const authorized = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(url, path, { headers: { authorization: `Bearer ${control.token}`, ...headers } })

beforeAll(async () => {
  for (const { cid, bytes } of site.blocks) {
    await routing.store.put(cid, bytes)
  }
  url = (await control.start()).url
})
afterAll(async () => { await control.stop() })

it.each(['/metrics', '/api/stats', '/api/get?cid=x', '/api/explain?cid=x', '/', '/anything'])('%s is 401 without the token', async path => {
  for (const headers of [{} as Record<string, string>, { authorization: 'Bearer wrong' }, { authorization: `Basic ${control.token}` }]) {
    const answer = await ask(url, path, { headers })
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="portolan"'])
    expect(answer.text).not.toContain(control.token)
  }
})

it('another host name is refused, with the token too', async () => {
  expect((await authorized('/metrics', { host: 'rebound.example' })).status).toBe(403)
  expect((await ask(url, '/live', { headers: { host: 'rebound.example' } })).status).toBe(403)
  expect((await authorized('/metrics', { host: 'node.example:8481' })).status).toBe(200)
})

it('/api/hello proves to whoever has the token that this node has it too, and to nobody else', async () => {
  const nonce = newNonce()
  const answer = await ask(url, `/api/hello?nonce=${nonce}`)
  expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { proof: tokenProof(control.token, url, nonce) }])
  expect((await ask(url, '/api/hello')).status).toBe(400)
  expect((await ask(url, `/api/hello?nonce=${'x'.repeat(129)}`)).status).toBe(400)
  expect((await ask(url, `/api/hello?nonce=${nonce}`, { headers: { host: 'rebound.example' } })).status).toBe(403)
})

it('tells whether it lives and is ready without a token', async () => {
  expect((await ask(url, '/live')).status).toBe(200)
  expect((await ask(url, '/ready')).status).toBe(200)
  ready = false
  expect((await ask(url, '/ready')).status).toBe(503)
})

it('/metrics and /api/stats', async () => {
  const page = await authorized('/metrics')
  expect(page.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(page.text).toMatch(/^process_resident_memory_bytes \d+$/m)
  expect(JSON.parse((await authorized('/api/stats')).text)).toEqual({ a: 1 })
  expect((await authorized('/nothing')).status).toBe(404)
})

it('/api/get streams a file, by CID and by path', async () => {
  expect((await authorized(`/api/get?cid=${site.hello}`)).text).toMatch(/^Hello/)
  const answer = await authorized(`/api/get?cid=${encodeURIComponent(`/ipfs/${site.harbours}/genoa.txt`)}`)
  expect(answer.text).toMatch(/^Genoa/)
  expect(answer.headers['content-length']).toBe(String(answer.body.byteLength))
  expect(routing.open).toBe(0)
})

it('/api/get says what is wrong', async () => {
  const directory = await authorized(`/api/get?cid=${site.harbours}`)
  expect([directory.status, JSON.parse(directory.text)]).toEqual([409, { error: 'directory', entries: ['compass-rose.svg', 'genoa.txt', 'majorca.txt', 'venice.txt'] }])
  expect((await authorized('/api/get')).status).toBe(400)
  expect((await authorized('/api/get?cid=nonsense')).status).toBe(400)
  expect((await authorized(`/api/get?cid=${site.harbours}/nobody.txt`)).status).toBe(404)
})

it('/api/explain tells the story of a failure', async () => {
  const answer = await authorized('/api/explain?cid=bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).toMatchObject({ error: { name: 'NotFoundError' }, text: 'asked https://one.example: not here' })
  expect((await authorized('/api/explain?cid=nonsense')).status).toBe(400)
})
