import { createServer } from 'node:http'
import { afterEach, expect, it } from 'vitest'
import { ControlError, askNode, isOwnNode } from '../../src/cli/control-egress.ts'
import { ownNodeDisclosure } from '../../src/cli/own-request.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { newToken, tokenProof } from '../../src/gateway/control-token.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

const token = newToken()
const signal = new AbortController().signal
const closers: Array<() => void> = []
afterEach(() => { closers.splice(0).forEach(close => { close() }) })

/** Somebody on this machine, with everything that was sent there */
async function somebody (answer: RequestListener): Promise<{ url: string, requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

function nonceOf (request: IncomingMessage): string {
  return new URL(request.url ?? '', 'http://x').searchParams.get('nonce') ?? ''
}

const record = (url: string): { url: string, gateway: string, pid: number } => ({ url, gateway: url, pid: 1 })

it('whoever knows the token is the node', async () => {
  const { url } = await somebody((request, response) => { response.end(JSON.stringify({ proof: tokenProof(token, url, nonceOf(request)) })) })
  expect(await isOwnNode({ record: record(url), token }, ownNodeDisclosure(signal, 'none'), { signal, clock: systemClock })).toBe(true)
})

it.each<[string, (url: () => string) => RequestListener]>([
  ['claims to be', () => (_request, response) => { response.end('{"proof":"yes"}') }],
  ['repeats an old proof', url => (_request, response) => { response.end(JSON.stringify({ proof: tokenProof(token, url(), 'an-older-question-0') })) }],
  ['passes the question on to the node elsewhere', () => (request, response) => { response.end(JSON.stringify({ proof: tokenProof(token, 'http://127.0.0.1:1', nonceOf(request)) })) }],
  ['proves it with an error', url => (request, response) => { response.writeHead(500).end(JSON.stringify({ proof: tokenProof(token, url(), nonceOf(request)) })) }],
  ['says something else', () => (_request, response) => { response.end('<html>') }],
  ['says null', () => (_request, response) => { response.end('null') }],
  ['redirects', () => (_request, response) => { response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end() }],
  ['talks without an end', () => (_request, response) => {
    const pump = (): void => { while (!response.destroyed && response.write('x'.repeat(65_536))) { /* as fast as it is taken */ } }
    response.on('drain', pump)
    pump()
  }],
  ['hangs up', () => request => { request.socket.destroy() }]
])('a stranger that %s is not the node, and is not told the token', async (_what, answer) => {
  let url = ''
  const stranger = await somebody((request, response) => { answer(() => url)(request, response) })
  url = stranger.url
  expect(await isOwnNode({ record: record(url), token }, ownNodeDisclosure(signal, 'none'), { signal, clock: systemClock })).toBe(false)
  expect(stranger.requests).toHaveLength(1)
  expect(JSON.stringify([stranger.requests[0]?.url, stranger.requests[0]?.rawHeaders])).not.toContain(token)
})

it('a stranger that says nothing is waited for three seconds', async () => {
  const clock = new VirtualClock()
  const asked = Promise.withResolvers<void>()
  const { url } = await somebody(() => { asked.resolve() })
  const isOwn = isOwnNode({ record: record(url), token }, ownNodeDisclosure(signal, 'none'), { signal, clock })
  await asked.promise
  await clock.advance(3000)
  expect(await isOwn).toBe(false)
  expect(clock.pending).toBe(0)
})

it('Ctrl-C ends the wait', async () => {
  const controller = new AbortController()
  const { url } = await somebody(() => { controller.abort(new Error('interrupted')) })
  await expect(isOwnNode({ record: record(url), token }, ownNodeDisclosure(controller.signal, 'none'), { signal: controller.signal, clock: systemClock })).rejects.toThrow('interrupted')
})

it('an error of the node is read up to a bound', async () => {
  const { url } = await somebody((_request, response) => { response.writeHead(404).end('x'.repeat(1_000_000)) })
  const err = await askNode({ record: record(url), token }, '/api/get', {}, ownNodeDisclosure(signal), { signal }).catch((err: unknown) => err)
  expect(err).toBeInstanceOf(ControlError)
  expect((err as ControlError).message).toHaveLength(262_144)
})

it('an error reads as it would without a node: what a client is told by its number is not told twice', async () => {
  const bodies = ['404 No entry "x" in bafy\n', '4040 things are missing\n', 'nothing is here\n']
  const { url } = await somebody((_request, response) => { response.writeHead(404).end(bodies.shift()) })
  const ask = async (): Promise<unknown> => await askNode({ record: record(url), token }, '/api/get', {}, ownNodeDisclosure(signal), { signal }).catch((err: unknown) => err)
  expect(await ask()).toMatchObject({ name: 'ControlError', status: 404, message: 'No entry "x" in bafy' })
  expect(await ask()).toMatchObject({ status: 404, message: '4040 things are missing' })
  expect(await ask()).toMatchObject({ status: 404, message: 'nothing is here' })
})
