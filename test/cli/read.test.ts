import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { writeControl } from '../../src/cli/control-file.ts'
import { directoryStore } from '../../src/config/store.ts'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { UNPRIVILEGED } from '../support/unprivileged.ts'
import { Scope, run, start } from './fixture.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Serving } from './fixture.ts'
import type { AddressInfo } from 'node:net'

const MISSING = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const PEER = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
const shared = new Scope()
const scope = new Scope()
const site = await welcomeSite()
let file: SampleFile
let provider: LoopbackProvider
let node: Serving

beforeAll(async () => {
  file = await sampleFile({ size: 700_000 })
  provider = await loopbackProvider({ blocks: file.blocks })
  shared.add(() => provider.close())
  node = await shared.serve(shared.directory(), ['--provider', provider.url])
})
afterAll(async () => { await shared.close() })
afterEach(async () => { await scope.close() })

describe('portolan get beside a running node', () => {
  it('asks the node, and writes the bytes to standard output', async () => {
    const { code, stdout, stderr } = await run(['get', `/ipfs/${site.harbours}/genoa.txt`, '--store', node.store])
    expect([code, stdout.split('\n')[0], stderr]).toEqual([0, 'Genoa', ''])
  })

  it('-o writes a file that appears whole, over what was there', async () => {
    const path = join(scope.directory(), 'file.bin')
    writeFileSync(path, 'before')
    const { code, stdout, stderr } = await run(['get', file.root.toString(), '-o', path, '--store', node.store])
    expect([code, stdout, stderr]).toEqual([0, '', ''])
    expect(new Uint8Array(readFileSync(path))).toEqual(file.bytes)
  })

  it('a directory: says what to get, and leaves no file', async () => {
    const directory = scope.directory()
    const { code, stdout, stderr } = await run(['get', site.harbours.toString(), '-o', join(directory, 'x'), '--store', node.store])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(`${site.harbours} is a directory. Get one of its files:\n  portolan get ${site.harbours}/compass-rose.svg\n`)
    expect(readdirSync(directory)).toEqual([])
  })

  it('what nobody has: the story, no file, exit code 1', async () => {
    const directory = scope.directory()
    const { code, stderr } = await run(['get', MISSING, '-o', join(directory, 'x'), '--store', node.store])
    expect([code, readdirSync(directory)]).toEqual([1, []])
    expect(stderr).toMatch(/not-here/)
  })

  it('flags that the node cannot honour: the read goes past it, and says so', async () => {
    const other = await loopbackProvider({ blocks: file.blocks })
    scope.add(() => other.close())
    const leaf = file.others[0]?.toString() ?? ''
    const { code, stderr } = await run(['get', leaf, '-o', join(scope.directory(), 'x'), '--provider', other.url, '--store', node.store])
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^note: the running node has options of its own/)])
    expect(other.requests).toHaveLength(1)
  })

  it('a closed pipe ends it quietly', async () => {
    const child = start(['get', file.root.toString(), '--store', node.store])
    child.child.stdout.destroy()
    const { code, stderr } = await child.finished
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('what a node that was killed left behind', () => {
  /** Another program that has the port by now, and what it was sent */
  async function stranger (): Promise<{ url: string, seen: string[] }> {
    const seen: string[] = []
    const server = createServer((request, response) => {
      seen.push(`${request.url} ${JSON.stringify(request.headers)}`)
      response.end('{"proof":"trust me"}')
    })
    scope.add(() => {
      server.close()
      server.closeAllConnections()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
  }

  it.each(['get', 'explain'])('%s: while nobody has the store, nobody is asked and the read is done', async command => {
    const store = scope.directory()
    const { url, seen } = await stranger()
    await writeControl(store, { url, gateway: url, pid: process.pid }, 'the-secret-token')
    const leaf = file.others[0]?.toString() ?? ''
    const { code, stderr } = await run([command, leaf, '--provider', provider.url, '--store', store])
    expect([code, stderr]).toEqual([0, ''])
    const again = await run([command, leaf, '--store', store])
    expect([again.code, again.stderr, seen]).toEqual([0, '', []])
  })

  it('while another process has the store, the stranger is asked who it is and not told the token', async () => {
    const store = scope.directory()
    const { url, seen } = await stranger()
    await writeControl(store, { url, gateway: url, pid: process.pid }, 'the-secret-token')
    const holder = directoryStore(store)
    await holder.open()
    scope.add(() => holder.close())

    const { code, stderr } = await run(['get', MISSING, '--store', store])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/in use by another process, and no node that runs on it answers.*try again.*--store DIR/)])
    const serving = await run(['serve', '--store', store, '--port', '0', '--control-port', '0'])
    expect([serving.code, serving.stderr]).toEqual([1, `portolan: the store ${store} is in use by another process; stop that one, or choose another directory with --store DIR\n`])
    expect(seen).toHaveLength(2)
    expect(seen.join()).not.toContain('the-secret-token')
    expect(seen.join()).not.toContain(MISSING)
  })
})

describe('portolan get by itself', () => {
  it('does the read, keeps the blocks, and reads them again without anybody', async () => {
    const own = await loopbackProvider({ blocks: file.blocks })
    scope.add(() => own.close())
    const store = scope.directory()
    const path = join(scope.directory(), 'file.bin')
    const first = await run(['get', file.root.toString(), '-o', path, '--provider', own.url, '--store', store])
    expect([first.code, first.stderr]).toEqual([0, ''])
    expect(new Uint8Array(readFileSync(path))).toEqual(file.bytes)

    await own.close()
    expect((await run(['get', file.root.toString(), '-o', path, '--store', store])).code).toBe(0)
  })

  it.each([['get', []], ['explain', []], ['explain', ['--json']]])('%s %j with nobody named: says that nobody was asked, and how somebody is named', async (command, args) => {
    const store = join(scope.directory(), 'store')
    const { code, stdout, stderr } = await run([command, MISSING, ...args, '--store', store])
    expect(code).toBe(1)
    expect(stdout + stderr).toMatch(/nobody was asked: no provider, router or bootstrap peer is named/)
    expect(stdout + stderr).not.toMatch(/nobody has it/)
    expect(stderr).toMatch(/^name whom to ask: --provider URL, --router URL or --bootstrap MULTIADDR, here or where portolan serve is started$/m)
    // the name may have been mistyped
    expect(stderr).toMatch(new RegExp(`^note: there was no store at ${store}, a new one was made; --store DIR names another\n`))
    expect(command === 'get' ? stdout : '').toBe('')
    expect((await run([command, MISSING, ...args, '--store', store])).stderr).not.toContain('note:')
  })

  it('what others were asked for in vain needs no such advice', async () => {
    const { code, stderr } = await run(['get', MISSING, '--provider', provider.url, '--store', scope.directory()])
    expect([code, /nobody has it/.test(stderr), /name whom to ask|note:/.test(stderr)]).toEqual([1, true, false])
  })

  it('a node that has nobody to ask says so too, in the answers of its gateway and to commands', async () => {
    const alone = await scope.serve(scope.directory())
    const response = await fetch(`${alone.gateway}/ipfs/${MISSING}`)
    expect([response.status, await response.text()]).toEqual([404, expect.stringMatching(new RegExp(`^404 ${MISSING}: it is not here, and nobody was asked: no provider, router or bootstrap peer is named\n`))])
    // once more, while the miss is remembered
    const again = await run(['get', MISSING, '--store', alone.store])
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(new RegExp(`^portolan: ${MISSING}: it is not here, and nobody was asked: no provider, router or bootstrap peer is named\n[^]*\nname whom to ask: --provider URL`))])
  })

  it('Ctrl-C: exit code 130, and no half file', async () => {
    const silent = await loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'silent' } })
    scope.add(() => silent.close())
    const directory = scope.directory()
    const child = start(['get', file.root.toString(), '-o', join(directory, 'x'), '--provider', silent.url, '--store', join(directory, 'store'), '--timeout', '10m'])
    await expect.poll(() => silent.requests.length, { timeout: 10_000 }).toBeGreaterThan(0)
    child.child.kill('SIGINT')
    const { code, stderr } = await child.finished
    expect([code, stderr, readdirSync(directory)]).toEqual([130, `note: there was no store at ${join(directory, 'store')}, a new one was made; --store DIR names another\n`, ['store']])
  })

  it.each([
    ['a directory', (path: string) => { mkdirSync(join(path, 'x')) }, /x is a directory; name a file in it/, 'x'],
    ['a missing directory', () => {}, /its directory does not exist/, 'no/x']
  ])('-o into %s fails before anybody is asked', async (_what: string, prepare: (path: string) => void, message: RegExp, name: string) => {
    const path = scope.directory()
    prepare(path)
    const asked = provider.requests.length
    const { code, stderr } = await run(['get', file.root.toString(), '-o', join(path, name), '--provider', provider.url, '--store', join(path, 'store')])
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
    expect(provider.requests).toHaveLength(asked)
  })

  it.skipIf(UNPRIVILEGED == null)('-o into a directory without permission fails', async () => {
    const path = scope.directory()
    chmodSync(path, 0o500)
    const { code, stderr } = await run(['get', MISSING, '-o', join(path, 'x'), '--store', scope.directory()], {}, { before: UNPRIVILEGED })
    expect([code, /permission denied/.test(stderr)]).toEqual([1, true])
  })

  it('-o /dev/null is written to and not replaced', async () => {
    expect((await run(['get', site.hello.toString(), '-o', '/dev/null', '--store', node.store])).code).toBe(0)
    expect(readFileSync('/dev/null').byteLength).toBe(0)
  })
})

describe('portolan explain', () => {
  it('tells the node\'s story of a read', async () => {
    const leaf = file.others.at(-1)?.toString() ?? ''
    const { code, stdout, stderr } = await run(['explain', leaf, '--store', node.store])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(new RegExp(`^${leaf}: (?:delivered|was here already) after`))
    // not a terminal: no colours
    expect(stdout).not.toContain('\u001b')
  })

  it('does the read by itself, and prints who was asked', async () => {
    const { code, stdout } = await run(['explain', file.root.toString(), '--provider', provider.url, '--store', scope.directory()])
    expect(code).toBe(0)
    expect(stdout).toMatch(/ask #1 .*127\.0\.0\.1[^]*delivered[^]*verified/)
  })

  it('prints the story of a failure, and exits with 1', async () => {
    const { code, stdout } = await run(['explain', MISSING, '--provider', provider.url, '--store', scope.directory()])
    expect(code).toBe(1)
    expect(stdout).toMatch(/nobody has it[^]*not-here/)
  })

  it('--json is a document', async () => {
    const { stdout } = await run(['explain', '--json', site.hello.toString(), '--store', node.store])
    expect(JSON.parse(stdout)).toMatchObject({ cid: site.hello.toString() })
  })
})

describe('the command line', () => {
  it.each([
    [[], 2, /Usage: portolan COMMAND/, /^$/], [['--help'], 0, /Usage: portolan COMMAND/, /^$/], [['help', 'get'], 0, /Usage: portolan get CID/, /^$/],
    [['serve', '--help'], 0, /--provider URL/, /^$/], [['serve', '--help'], 0, /--serve WHO[^-]*one\s+of\s+none,\s+allow-list,\s+peers,\s+everyone/, /^$/], [['--version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/], [['get', '--version'], 0, /^\d+\./, /^$/],
    [['sevre'], 2, /^$/, /there is no command "sevre"; did you mean portolan serve\?/], [['--port', '1'], 2, /^$/, /the command comes first/],
    [['get', 'nonsense'], 2, /^$/, /nonsense/], [['get', '/ipns/docs.ipfs.tech'], 2, /^$/, /is an IPNS name/], [['explain', 'ipns://x'], 2, /^$/, /is an IPNS name/],
    [['get', `${MISSING}/../x`], 2, /^$/, /relative segment/], [['get', 'a\u001b[2J\u009b'], 2, /^$/, /^[\n\P{Cc}]*$/u],
    [['serve', '--port', '9', '--control-port', '9'], 2, /^$/, /gateway\.port \(from --port\) and control\.port \(from --control-port\) are both 9.*need a port each/],
    [['serve', '--port', '9', '--control-port', '9', '--control-host', '127.0.0.2', '--provider', 'x', '--store', '/nowhere'], 2, /^$/, /routing\.providers \(from --provider\): "x" is not a provider/],
    [['serve', '--provider', `/ip4/192.0.2.7/udp/4001/quic-v1/p2p/${PEER}`, '--store', '/nowhere'], 2, /^$/, /routing\.providers \(from --provider\): .* can never be asked: it leads over QUIC, for which this node has no transport/],
    [['serve', '--sibling', `/ip4/192.0.2.7/udp/4001/webrtc-direct/p2p/${PEER}`, '--store', '/nowhere'], 2, /^$/, /exchange\.siblings \(from --sibling\): .* can never be asked: it leads over WebRTC/],
    [['serve', '--listen', '/ip4/1', '--store', '/nowhere'], 2, /^$/, /libp2p\.listen \(from --listen\): /],
    [['get', MISSING, '--bootstrap', '/ip4/127.0.0.1/tcp/1', '--store', '/nowhere'], 2, /^$/, /libp2p\.bootstrap \(from --bootstrap\): .*\/p2p\//], [['serve', '--port', 'x'], 2, /^$/, /gateway\.port \(from --port\) must be/],
    [['serve', '--config', '/nowhere.json'], 2, /^$/, /nowhere\.json cannot be read/], [['serve', '--provider', 'nonsense', '--store', '/nowhere'], 2, /^$/, /nonsense/]
  ])('%j exits with %d', async (args, code, stdout, stderr) => {
    const result = await run(args)
    expect([result.code, result.stdout, result.stderr]).toEqual([code, expect.stringMatching(stdout), expect.stringMatching(stderr)])
  })
})
