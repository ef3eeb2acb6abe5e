import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { TOKEN_FILE } from '../../src/cli/control-file.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { ask } from '../gateway/fixture.ts'
import { Scope, run, start } from './fixture.ts'

const MISSING = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const scope = new Scope()
afterEach(async () => { await scope.close() })

function identity (stderr: string): string | undefined {
  return /identity +(12D3\w+)/.exec(stderr)?.[1]
}

describe('portolan serve', () => {
  it('says what it is and whom it contacts, serves the welcome, and ends at Ctrl-C with nothing left over', async () => {
    const store = join(scope.directory(), 'store')
    const node = await scope.serve(store)

    expect(node.stderr()).toContain(`${node.gateway}/`)
    expect(node.stderr()).toMatch(/contacts +nobody/)
    expect(node.stderr()).toMatch(/store .*\n *blocks take at most [\d.]+ [MG]B there/)
    expect((await ask(node.gateway, '/')).text).toContain('Your node is running')
    expect(statSync(join(store, TOKEN_FILE)).mode & 0o777).toBe(0o600)
    expect((await ask(node.control, '/metrics', { headers: { authorization: `Bearer ${node.token}` } })).text).toMatch(/^portolan_gateway_requests_total\{status="200"\} 1$/m)

    node.child.kill('SIGINT')
    const { code, stdout } = await node.finished
    expect([code, stdout]).toEqual([0, ''])
    expect(readdirSync(store).sort()).toEqual(['cache', 'cache-size', 'data', 'identity.key'])
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it within 5 s while a read is stalled', async signal => {
    const file = await sampleFile({ size: 300_000 })
    const provider = await loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'silent' } })
    scope.add(() => provider.close())
    const node = await scope.serve(scope.directory(), ['--provider', provider.url, '--timeout', '10m'])
    const stalled = ask(node.gateway, `/ipfs/${file.root}`).then(({ status }) => status, (err: Error) => err.message)
    await expect.poll(() => provider.requests.length).toBeGreaterThan(0)

    const began = performance.now()
    node.child.kill(signal)
    expect((await node.finished).code).toBe(0)
    expect(performance.now() - began).toBeLessThan(5000)
    expect([503, 504, 'socket hang up', 'read ECONNRESET']).toContain(await stalled)
  })

  it('a second Ctrl-C forces it', async () => {
    const file = await sampleFile({ size: 1000 })
    const provider = await loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'silent' } })
    scope.add(() => provider.close())
    const node = await scope.serve(scope.directory(), ['--provider', provider.url, '--timeout', '10m'])
    const stalled = ask(node.gateway, `/ipfs/${file.root}`).catch((err: Error) => err.message)
    await expect.poll(() => provider.requests.length).toBeGreaterThan(0)

    node.child.kill('SIGINT')
    await node.until(/stopping/)
    node.child.kill('SIGINT')
    expect((await node.finished).code).toBe(130)
    await stalled
  })

  it('kill -9 costs nothing: the same identity, the blocks that were read, and no stale lock', async () => {
    const file = await sampleFile({ size: 600_000 })
    const provider = await loopbackProvider({ blocks: file.blocks })
    scope.add(() => provider.close())
    const store = scope.directory()
    const first = await scope.serve(store, ['--provider', provider.url])
    expect((await ask(first.gateway, `/ipfs/${file.root}`)).body).toEqual(file.bytes)

    first.child.kill('SIGKILL')
    await first.finished
    await provider.close()
    expect(existsSync(join(store, 'control.json'))).toBe(true)
    // what the dead node left behind misleads nobody
    expect((await run(['get', (await welcomeSite()).hello.toString(), '--store', store])).stdout).toMatch(/^Hello/)

    const second = await scope.serve(store)
    expect(identity(second.stderr())).toBe(identity(first.stderr()))
    expect(second.token).not.toBe(first.token)
    expect((await ask(second.gateway, `/ipfs/${file.root}`)).body).toEqual(file.bytes)
  })

  it('a file that was fetched is no hit of the same request, and one of the next', async () => {
    const file = await sampleFile({ size: 1000 })
    const provider = await loopbackProvider({ blocks: file.blocks })
    scope.add(() => provider.close())
    const node = await scope.serve(scope.directory(), ['--provider', provider.url])
    const read = async (): Promise<unknown> => {
      expect((await ask(node.gateway, `/ipfs/${file.root}`)).body).toEqual(file.bytes)
      const { text } = await ask(node.control, '/api/stats', { headers: { authorization: `Bearer ${node.token}` } })
      const { routing } = JSON.parse(text) as { routing: { cache: { hits: number, bytesSaved: number } } }
      return [routing.cache.hits, routing.cache.bytesSaved]
    }

    expect(file.blocks.size).toBe(1)
    expect(await read()).toEqual([0, 0])
    const [bytes] = file.blocks.values()
    expect(await read()).toEqual([1, bytes?.byteLength])
    expect(await read()).toEqual([2, 2 * (bytes?.byteLength ?? 0)])
  })

  it('a second one on the same store says who has it', async () => {
    const store = scope.directory()
    const node = await scope.serve(store)
    const { code, stderr } = await run(['serve', '--store', store, '--port', '0', '--control-port', '0'])
    expect(code).toBe(1)
    expect(stderr).toContain(`is in use by another process: a node (process ${node.child.pid}) serves it at ${node.gateway}; stop that one, or choose another directory with --store DIR`)
    expect((await ask(node.gateway, '/live')).status).toBe(200)
  })

  it('a taken port names the port and the flag, and frees the store', async () => {
    const node = await scope.serve(scope.directory())
    const port = new URL(node.gateway).port
    const store = scope.directory()
    const taken = await run(['serve', '--store', store, '--port', port, '--control-port', '0'])
    expect([taken.code, taken.stderr]).toEqual([1, `portolan: gateway: port ${port} on 127.0.0.1 is taken by another program; choose another with --port PORT (0 takes a free one)\n`])
    const control = await run(['serve', '--store', store, '--port', '0', '--control-port', port])
    expect(control.stderr).toContain('--control-port PORT')
    expect(readdirSync(store)).not.toContain('control.json')
  })

  it('reads its configuration from the environment and the file, and names where a wrong value came from', async () => {
    const store = scope.directory()
    const wrong = await run(['serve'], { PORTOLAN_STORE: store, PORTOLAN_MODE: 'secret' })
    expect([wrong.code, wrong.stderr]).toEqual([2, 'portolan: routing.mode (from the environment variable PORTOLAN_MODE) must be one of open, balanced, strict, not "secret"\n'])

    const node = start(['serve'], { PORTOLAN_STORE: store, PORTOLAN_GATEWAY_PORT: '0', PORTOLAN_CONTROL_PORT: '0', PORTOLAN_MODE: 'strict', PORTOLAN_GATEWAY_PRT: '1' })
    scope.add(() => { node.child.kill('SIGKILL') })
    await node.until(/Ctrl-C stops it/)
    expect(node.stderr()).toMatch(/mode +strict/)
    expect(node.stderr()).toContain('warning: the environment variable PORTOLAN_GATEWAY_PRT is not an option of portolan; did you mean PORTOLAN_GATEWAY_PORT?')
    node.child.kill('SIGTERM')
    await node.finished
  })

  it('takes the mode and its switches by flags, the environment and the file, and says where they differ', async () => {
    const store = scope.directory()
    const file = join(store, 'portolan.json')
    writeFileSync(file, JSON.stringify({ privacy: { agent: 'full' } }))
    const node = start(['serve', '--config', file, '--store', join(store, 'data'), '--port', '0', '--control-port', '0', '--mode', 'strict', '--hedges', 'on', '--lookup-delay', '50ms'], { PORTOLAN_LOOKUP_IDENTITY: 'node' })
    scope.add(() => { node.child.kill('SIGKILL') })
    await node.until(/Ctrl-C stops it/)
    expect(node.stderr()).toMatch(/mode +strict, but hedges true, lookupIdentity node, lookupDelay 50, agent full\n/)
    node.child.kill('SIGTERM')
    await node.finished

    const wrong = await run(['serve', '--store', store, '--lookup-delay', '1h'])
    expect([wrong.code, wrong.stderr]).toEqual([2, 'portolan: privacy.lookupDelay (from --lookup-delay): must be mode, or milliseconds from 0 to 30000, or like 500ms, 2s, not "1h"\n'])
    const against = await run(['serve', '--store', store, '--mode', 'strict', '--router', 'https://router.example'])
    expect([against.code, against.stderr]).toEqual([2, expect.stringContaining('mode "strict" asks only routers of your own')])
  })

  it.each([
    [['--serve', 'everyone'], /serves +everyone over bitswap, but only those that it dials itself: it listens nowhere \(--listen MULTIADDR\)/],
    [['--serve', 'allow-list', '--allow-peer', '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS', '--listen', '/ip4/127.0.0.1/tcp/0'], /serves +the peers of exchange.allowPeers\n/],
    [['--sibling', 'http://127.0.0.1:1'], /serves +nobody over bitswap\n(.*\n)*.*contacts +http:\/\/127.0.0.1:1\n/]
  ])('says whom it serves with %j', async (flags, said) => {
    const node = start(['serve', '--store', scope.directory(), '--port', '0', '--control-port', '0', ...flags])
    scope.add(() => { node.child.kill('SIGKILL') })
    await node.until(/Ctrl-C stops it/)
    expect(node.stderr()).toMatch(said)
    node.child.kill('SIGTERM')
    expect((await node.finished).code).toBe(0)
  })

  it.each([
    [['--serve', 'friends'], 'exchange.serve (from --serve) must be one of none, allow-list, peers, everyone, not "friends"'],
    [['--serve', 'peers', '--allow-peer', 'me'], 'exchange.allowPeers (from --allow-peer): peers are allowed that would not be served, because exchange.serve is "peers": make it allow-list'],
    [['--serve', 'allow-list', '--allow-peer', 'me'], 'exchange.allowPeers (from --allow-peer): serve.allow must be a list of peer ids, got "me"'],
    [['--serve', 'allow-list'], 'exchange.serve (from --serve): "allow-list" needs the peer ids that are served (exchange.allowPeers, --allow-peer PEER-ID), and there are none'],
    [['--sibling', 'nobody'], 'exchange.siblings (from --sibling): "nobody" is not a provider']
  ])('is refused with the flag by name: %j', async (flags, message) => {
    const { code, stderr } = await run(['serve', '--store', scope.directory(), '--port', '0', '--control-port', '0', ...flags])
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('serving over bitswap and no bitswap: one of the two is refused', async () => {
    const { code, stderr } = await run(['serve', '--store', scope.directory(), '--port', '0', '--control-port', '0', '--serve', 'everyone'], { PORTOLAN_BITSWAP: 'false' })
    expect([code, stderr]).toEqual([2, 'portolan: exchange.serve (from --serve): "everyone" is for bitswap, and exchange.bitswap is off: leave one of the two out\n'])
  })

  it.each([
    [['--provider', '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'], 'false', /warning: routing\.providers: \S+ is a peer, and exchange\.bitswap is off: it is never asked/],
    [['--sibling', '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'], 'true', /warning: exchange\.siblings: \S+ has no address, and without libp2p\.bootstrap there is nobody to ask for one/],
    [['--dht-protocol', '/my-network/kad/1.0.0'], 'true', /warning: libp2p\.dhtProtocol: this node is part of no DHT, so that nothing is looked up in \/my-network\/kad\/1\.0\.0: name peers/]
  ])('warns of what was named and cannot be asked: %j, bitswap %s', async (flags, bitswap, said) => {
    const node = start(['serve', '--store', scope.directory(), '--port', '0', '--control-port', '0', ...flags], { PORTOLAN_BITSWAP: bitswap })
    scope.add(() => { node.child.kill('SIGKILL') })
    await node.until(/Ctrl-C stops it/)
    expect(node.stderr()).toMatch(said)
    node.child.kill('SIGTERM')
    expect((await node.finished).code).toBe(0)
  })

  it('a wrong provider is told with its key and the file it stands in', async () => {
    const store = scope.directory()
    writeFileSync(join(store, 'config.json'), '{ "routing": { "providers": ["ftp://x"] } }')
    const { code, stderr } = await run(['serve', '--store', store, '--port', '0', '--control-port', '0'])
    expect([code, stderr]).toEqual([2, expect.stringContaining(`portolan: routing.providers (from the file ${join(store, 'config.json')}): "ftp://x" is not a provider`)])
  })

  it('a store that is a file, or below one, is named with what to do', async () => {
    const path = join(scope.directory(), 'file')
    writeFileSync(path, '')
    const { code, stderr } = await run(['serve', '--store', path, '--port', '0', '--control-port', '0'])
    expect([code, stderr]).toEqual([1, `portolan: ${path} is a file and not a directory; choose another with --store DIR\n`])
    const below = await run(['get', MISSING, '--store', join(path, 'below')])
    expect([below.code, below.stderr]).toEqual([1, `portolan: the directory ${path}/below cannot be made: there is a file where the directory should be; choose another with --store DIR\n`])
  })

  it.runIf(existsSync('/proc/self'))('a file system without directories of ours is an error, and not tried for ever', async () => {
    const node = start(['serve', '--store', '/proc/portolan/store', '--port', '0', '--control-port', '0'])
    scope.add(() => { node.child.kill('SIGKILL') })
    const { code, stderr } = await node.finished
    expect([code, stderr]).toEqual([1, 'portolan: the directory /proc/portolan/store cannot be made: its file system does not let directories be made there; choose another with --store DIR\n'])
  })

  it('an identity key that others can read stops it before it starts', async () => {
    const store = scope.directory()
    await (await import('../../src/config/identity.ts')).loadIdentity(store)
    const { chmodSync } = await import('node:fs')
    chmodSync(join(store, 'identity.key'), 0o604)
    const { code, stderr } = await run(['serve', '--store', store, '--port', '0', '--control-port', '0'])
    expect([code, /chmod 600/.test(stderr)]).toEqual([1, true])
  })
})

it('the default store is a directory of the user', async () => {
  const home = scope.directory()
  const node = start(['serve', '--port', '0', '--control-port', '0'], { HOME: home, XDG_DATA_HOME: join(home, 'data') })
  scope.add(() => { node.child.kill('SIGKILL') })
  await node.until(/Ctrl-C stops it/)
  expect(node.stderr()).toContain(join(home, 'data', 'portolan'))
  expect(readFileSync(join(home, 'data', 'portolan', 'control.json'), 'utf8')).toContain('gateway')
  node.child.kill('SIGINT')
  await once(node.child, 'close')
})
