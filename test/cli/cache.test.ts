import { mkdirSync, openSync, readdirSync, readFileSync, closeSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { Scope, run } from './fixture.ts'
import type { CacheHealth, CacheStats } from '../../src/interface/cache.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Serving } from './fixture.ts'

const shared = new Scope()
const scope = new Scope()
const site = await welcomeSite()
let file: SampleFile
let provider: LoopbackProvider
let node: Serving

const cache = (store: string, ...args: string[]): ReturnType<typeof run> => run(['cache', ...args, '--store', store])
const statsOf = async (store: string): Promise<CacheStats & { health: CacheHealth }> => JSON.parse((await cache(store, 'stats', '--json')).stdout) as CacheStats & { health: CacheHealth }

async function lines (store: string, ...args: string[]): Promise<unknown[]> {
  const { code, stdout } = await cache(store, ...args)
  expect(code).toBe(0)
  return stdout.trim().split('\n').map(line => JSON.parse(line) as unknown)
}

async function readFile ({ gateway }: Serving): Promise<void> {
  const answer = await fetch(`${gateway}/ipfs/${file.root}`)
  expect((await answer.arrayBuffer()).byteLength).toBe(file.bytes.byteLength)
}

beforeAll(async () => {
  file = await sampleFile({ size: 700_000 })
  provider = await loopbackProvider({ blocks: file.blocks })
  shared.add(() => provider.close())
  node = await shared.serve(shared.directory(), ['--provider', provider.url])
  await readFile(node)
})
afterAll(async () => { await shared.close() })
afterEach(async () => { await scope.close() })

describe('portolan cache beside a running node', () => {
  it('stats tells how it is, for people and for programs', async () => {
    const { code, stdout, stderr } = await cache(node.store, 'stats')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^state {7}ok\non disk {5}\[-+\] 0% {2}[\d.]+ [kM]B of \d/)
    const stats = await statsOf(node.store)
    expect(stats).toMatchObject({ health: { state: 'ok' }, blocks: { authored: site.blocks.length, fetched: file.blocks.size }, quarantined: 0 })
    expect(stats.bytes.fetched).toBeGreaterThan(700_000)
  })

  it('ls lists every block, with its kind', async () => {
    const { code, stdout } = await cache(node.store, 'ls', '--json')
    const listed = stdout.trim().split('\n').map(line => JSON.parse(line) as { cid: string, size: number, kind: string })
    expect([code, listed.filter(({ kind }) => kind === 'fetched').length, listed.length]).toEqual([0, file.blocks.size, file.blocks.size + site.blocks.length])
    expect((await cache(node.store, 'ls')).stdout.split('\n')[0]).toMatch(/^baf\w+ {2}(put here|fetched ) {2}\d/)
  })

  it('ls CID lists these alone, as they are written, whatever codec the list has', async () => {
    const root = site.root.toString()
    expect((await cache(node.store, 'ls')).stdout).not.toContain(root)
    const known = site.blocks.find(({ cid }) => cid.equals(site.root))?.bytes.byteLength
    expect(await cache(node.store, 'ls', root, root)).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(new RegExp(`^${root}  put here  ${known} B\n$`)) as string })
    expect(await lines(node.store, 'ls', root, '--json')).toEqual([{ cid: root, size: known, kind: 'authored' }])
    const v0 = site.root.toV0().toString()
    expect((await lines(node.store, 'ls', root, v0, '--json')).map(block => (block as { cid: string }).cid)).toEqual([root, v0])

    const stranger = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'
    expect(await cache(node.store, 'ls', stranger, root)).toMatchObject({ code: 1, stderr: `${stranger} is not in the cache\n`, stdout: expect.stringContaining(root) as string })
    expect(await cache(node.store, 'ls', 'bafnonsense')).toMatchObject({ code: 2, stderr: expect.stringContaining('bafnonsense') as string })
    expect(await cache(node.store, 'gc', root)).toMatchObject({ code: 2, stderr: expect.stringContaining('takes no arguments') as string })
  })

  it('stats counts a read of what nobody has as missed', async () => {
    const { misses } = await statsOf(node.store)
    expect((await fetch(`${node.gateway}/ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4`)).status).toBe(404)
    expect((await statsOf(node.store)).misses).toBe(misses + 1)
  })

  it('clear --authored leaves the gateway its welcome', async () => {
    const serving = await scope.serve(scope.directory())
    const page = await (await fetch(serving.gateway)).text()
    expect((await cache(serving.store, 'clear', '--authored')).stdout).toMatch(new RegExp(`^${site.blocks.length} blocks dropped`))
    const again = await fetch(serving.gateway)
    expect([again.status, await again.text()]).toEqual([200, page])
    expect((await statsOf(serving.store)).blocks).toEqual({ authored: site.blocks.length, fetched: 0 })
  })

  it('verify, gc and clear go through it; what was put here stays', async () => {
    const verified = await cache(node.store, 'verify')
    expect(verified).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^\d+ blocks, \d+ kB: all are what their CIDs say\n$/) as string })
    const told = await lines(node.store, 'verify', '--json')
    expect(told.at(-1)).toEqual({ done: true, blocks: file.blocks.size + site.blocks.length, bytes: expect.any(Number) as number, damagedBlocks: 0, unreadBlocks: 0 })
    expect(told.at(-2)).toMatchObject({ blocks: file.blocks.size + site.blocks.length, totalBlocks: file.blocks.size + site.blocks.length, damaged: [] })
    const collected = await lines(node.store, 'gc', '--json')
    expect([collected[0], collected.at(-1)]).toEqual([{ phase: 'evict', blocks: 0, totalBlocks: 0 }, { done: true, evicted: 0, freedBytes: expect.any(Number) as number }])
    expect(await cache(node.store, 'gc')).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^0 blocks evicted, \d+ k?B given back\n$/) as string })
    expect((await cache(node.store, 'clear')).stdout).toMatch(new RegExp(`^${file.blocks.size} blocks dropped, \\d+ kB given back\\n$`))
    expect((await statsOf(node.store)).blocks).toEqual({ authored: site.blocks.length, fetched: 0 })
    // and it goes on as before
    await readFile(node)
    expect((await statsOf(node.store)).blocks.fetched).toBe(file.blocks.size)
  })
})

describe('portolan cache without a node', () => {
  it('opens the cache itself, and finds what is damaged', async () => {
    const store = scope.directory()
    const serving = await scope.serve(store, ['--provider', provider.url])
    await readFile(serving)
    serving.child.kill('SIGINT')
    await serving.finished

    expect((await statsOf(store)).blocks.fetched).toBe(file.blocks.size)
    damage(store, Buffer.from(file.bytes.subarray(300_000, 300_064)))
    const { code, stdout, stderr } = await cache(store, 'verify')
    // and no story of it besides
    expect([code, stderr, stdout]).toEqual([1, '', expect.stringMatching(/: 1 damaged and set aside:\n {2}baf\w+\n$/)])
    expect((await lines(store, 'verify', '--json')).at(-1)).toMatchObject({ done: true, damagedBlocks: 0 })
    expect((await statsOf(store)).blocks.fetched).toBe(file.blocks.size - 1)

    expect((await cache(store, 'clear', '--authored')).code).toBe(0)
    expect((await statsOf(store)).blocks).toEqual({ authored: 0, fetched: 0 })
  })

  it('has the size that the last node had, or the one that it is told', async () => {
    const store = scope.directory()
    const serving = await scope.serve(store, ['--cache-size', '20MB'])
    serving.child.kill('SIGINT')
    await serving.finished

    expect((await statsOf(store)).maxBytes).toBe(20_000_000)
    expect(JSON.parse((await cache(store, 'stats', '--json', '--cache-size', '5MiB')).stdout)).toMatchObject({ maxBytes: 5_242_880 })
    // what is not a size of ours says nothing
    writeFileSync(join(store, 'cache-size'), '-1\n')
    expect((await statsOf(store)).maxBytes).toBeGreaterThan(20_000_000)
  })

  it('what is wrong is said, and nothing is made', async () => {
    const directory = scope.directory()
    const missing = join(directory, 'none')
    expect(await cache(missing, 'stats')).toMatchObject({ code: 2, stderr: expect.stringContaining(`there is no store at ${missing}`) as string })
    expect(await cache(directory, 'stats')).toMatchObject({ code: 2, stderr: expect.stringContaining(`there is no cache in ${directory}`) as string })
    expect(readdirSync(directory)).toEqual([])
    const foreign = join(directory, 'foreign')
    mkdirSync(join(foreign, 'cache'), { recursive: true })
    writeFileSync(join(foreign, 'cache', 'letter'), 'mine')
    expect(await cache(foreign, 'clear')).toMatchObject({ code: 2, stderr: expect.stringContaining(`there is no cache in ${foreign}`) as string })
    expect(readdirSync(foreign, { recursive: true })).toEqual(['cache', join('cache', 'letter')])
    expect(await cache(directory, 'stat')).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean portolan cache stats') as string })
    expect(await cache(directory, 'gc', '--authored')).toMatchObject({ code: 2, stderr: expect.stringContaining('--authored is for portolan cache clear') as string })
    expect((await cache(directory)).code).toBe(2)
  })
})

/** Turns a bit of the block whose bytes these are a part of */
function damage (store: string, part: Buffer): void {
  const folder = join(store, 'cache')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.seg'))
  const places = names.map(name => ({ name, at: readFileSync(join(folder, name)).indexOf(part) })).filter(({ at }) => at >= 0)
  expect(places.length).toBe(1)

  for (const { name, at } of places) {
    const file = openSync(join(folder, name), 'r+')
    writeSync(file, Buffer.from([(part[0] ?? 0) ^ 1]), 0, 1, at)
    closeSync(file)
  }
}
