import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { Scope, run, start } from './fixture.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Serving } from './fixture.ts'

const MISSING = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
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

  it('Ctrl-C: exit code 130, and no half file', async () => {
    const silent = await loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'silent' } })
    scope.add(() => silent.close())
    const directory = scope.directory()
    const child = start(['get', file.root.toString(), '-o', join(directory, 'x'), '--provider', silent.url, '--store', join(directory, 'store'), '--timeout', '10m'])
    await expect.poll(() => silent.requests.length, { timeout: 10_000 }).toBeGreaterThan(0)
    child.child.kill('SIGINT')
    const { code, stderr } = await child.finished
    expect([code, stderr, readdirSync(directory)]).toEqual([130, '', ['store']])
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

  // root may write everywhere
  it.skipIf(process.getuid?.() === 0)('-o into a directory without permission fails', async () => {
    const path = scope.directory()
    chmodSync(path, 0o500)
    const { code, stderr } = await run(['get', MISSING, '-o', join(path, 'x'), '--store', scope.directory()])
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
    [['serve', '--help'], 0, /--provider URL/, /^$/], [['--version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/], [['get', '--version'], 0, /^\d+\./, /^$/],
    [['sevre'], 2, /^$/, /there is no command "sevre"; did you mean portolan serve\?/], [['--port', '1'], 2, /^$/, /the command comes first/],
    [['get', 'nonsense'], 2, /^$/, /nonsense/], [['serve', '--port', 'x'], 2, /^$/, /gateway\.port \(from --port\) must be/],
    [['serve', '--config', '/nowhere.json'], 2, /^$/, /nowhere\.json cannot be read/], [['serve', '--provider', 'nonsense', '--store', '/nowhere'], 2, /^$/, /nonsense/]
  ])('%j exits with %d', async (args, code, stdout, stderr) => {
    const result = await run(args)
    expect([result.code, result.stdout, result.stderr]).toEqual([code, expect.stringMatching(stdout), expect.stringMatching(stderr)])
  })
})
