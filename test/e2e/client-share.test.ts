import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { afterEach, expect, it } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { blockKey } from '../../src/block/key.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { createPortolan, openBlockCache, withContentRouting } from '../../src/index.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { quietLogger } from '../gateway/fixture.ts'
import type { ContentRouting } from '../../src/interface/routing.ts'
import type { LocalStore } from '../../src/interface/cache.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'

const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) {
    await step()
  }
})

function directory (): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-share-'))
  undo.push(() => { rmSync(path, { recursive: true }) })
  return path
}

/** Files somewhere, and a gateway that reads them for whoever asks */
async function gatewayOver (contentRouting: ContentRouting, store: LocalStore): Promise<(file: SampleFile, address: string) => Promise<void>> {
  const gateway = new Gateway({ contentRouting, store, files: unixfsFiles, parseCID: text => parseCID(text), clock: systemClock, logger: quietLogger }, { port: 0 })
  const { url } = await gateway.start()
  undo.push(async () => { await gateway.stop() })

  return async (file, localAddress) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    get(`${url}/ipfs/${file.root}`, { localAddress, agent: false }, response => {
      let size = 0
      response.on('data', (chunk: Uint8Array) => { size += chunk.byteLength }).on('end', () => { resolve(size) }).on('error', reject)
    }).on('error', reject)
    expect(await promise).toBe(file.bytes.byteLength)
  }
}

async function provider (...files: SampleFile[]): Promise<string> {
  const provider = await loopbackProvider({ blocks: new Map(files.flatMap(file => [...file.blocks])) })
  undo.push(async () => provider.close())
  return provider.url
}

it('a client of the gateway owns no more than its share, and takes nothing from another', async () => {
  const files = await Promise.all([1, 2, 3, 4].map(async seed => sampleFile({ size: 3_000_000, seed })))
  const [own] = files as [SampleFile]
  const small = await sampleFile({ size: 1_000_000, seed: 9 })
  const clock = new VirtualClock()
  const cache = await openBlockCache({ path: directory(), maxBytes: 16_777_216, shares: { maxShare: 0.25 }, clock })
  const helia = await withContentRouting(createHeliaLight({ blockstore: cache }), { providers: [await provider(small, ...files)] }).start()
  undo.push(async () => cache.close(), async () => helia.stop())
  const read = await gatewayOver(helia.contentRouting, cache)
  const held = async (file: SampleFile): Promise<number> => {
    const listed = await all(cache.ls())
    return listed.filter(({ cid }) => file.blocks.has(blockKey(cid))).reduce((sum, { size }) => sum + size, 0)
  }
  /** Time goes on no faster than the disk works: else it would look slow, and be left alone */
  const pass = async (until: () => boolean): Promise<void> => {
    while (!until()) {
      await setTimeout(1)
      await clock.advance(20)
    }
  }
  const settle = async (): Promise<void> => {
    const promised = clock.now() + 10_000
    await pass(() => clock.now() >= promised)
    let over = false
    const done = cache.gc().finally(() => { over = true })
    await pass(() => over && cache.health().state === 'ok')
    await done
  }

  await read(small, '127.0.0.2')
  await settle()
  const before = await held(small)
  expect(before).toBeGreaterThan(1_000_000)

  for (const file of files) {
    await read(file, '127.0.0.1')
    await settle()
  }
  const sizes = await Promise.all(files.map(held))
  const room = 16_777_216 * 0.9 - 1_048_576
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(room / 4)
  // its newest is what it has
  expect(sizes.at(-1)).toBeGreaterThan(2_500_000)
  expect(await held(own)).toBeLessThan(1_000_000)
  expect(await held(small)).toBe(before)
})

it('the share of a whole node is that of its cache', async () => {
  const file = await sampleFile({ size: 400_000 })
  const node = await createPortolan({ store: directory(), maxBytes: 8_388_608, shares: { maxShare: 0.01 }, providers: [await provider(file)] })
  undo.push(async () => node.stop())
  const read = await gatewayOver(node.contentRouting, node.store)
  await read(file, '127.0.0.1')
  // its parts are larger than what one client may own
  const { blocks, declined } = node.cache?.stats() ?? expect.fail()
  expect([blocks.fetched, declined]).toEqual([1, 2])

  await expect(createPortolan({ store: directory(), shares: { maxShare: 2 } })).rejects.toMatchObject({ name: 'InvalidOptionError', message: 'shares.maxShare must be a number above 0 and up to 1, got 2' })
})
