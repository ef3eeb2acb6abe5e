import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelBlockstore } from 'blockstore-level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directoryStore } from '../../src/config/store.ts'
import { takeOverBlocks } from '../../src/config/take-over.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { block, blocks, read } from '../cache/support/blocks.ts'
import type { NodeStore } from '../../src/config/store.ts'
import type { TestBlock } from '../cache/support/blocks.ts'
import type { BlockCache } from '../../src/interface/cache.ts'
import type { ComponentLogger } from '../../src/interface/logger.ts'

describe('a store of the former kind', () => {
  let path: string
  let said: string[]
  let logger: ComponentLogger

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'portolan-former-'))
    said = []
    const log = (format: unknown, ...args: unknown[]): void => { said.push([format, ...args].join(' ')) }
    logger = { forComponent: () => Object.assign(log, { error: log, trace: log }) }
  })

  afterEach(() => { rmSync(path, { recursive: true }) })

  async function former (held: readonly TestBlock[]): Promise<void> {
    const store = new LevelBlockstore(join(path, 'blocks'))
    await store.open()
    for (const { cid, bytes } of held) {
      await store.put(cid, bytes)
    }
    await store.close()
  }

  async function open (maxBytes = 16_000_000): Promise<NodeStore> {
    const store = directoryStore(path, { maxBytes, logger })
    await store.open()
    return store
  }

  it('is taken over as the user\'s, once', async () => {
    const held = await blocks(40, 10_000)
    await former(held)
    const store = await open()
    expect(store.cache?.stats().blocks).toEqual({ authored: 40, fetched: 0 })
    for (const { cid, bytes } of held) {
      expect(await read(store.blockstore.get(cid))).toEqual(Buffer.from(bytes))
    }
    expect([existsSync(join(path, 'blocks')), existsSync(join(path, 'blocks.taken-over'))]).toEqual([false, false])
    expect(said.join('\n')).toContain('are taken over')
    await store.close()

    said.length = 0
    const again = await open()
    expect(again.cache?.stats().blocks.authored).toBe(40)
    expect(said.join('\n')).not.toContain('taken over')
    await again.close()
  })

  it('tells every few seconds how much is left while it is taken over', async () => {
    await former(await blocks(64, 50_000))
    const clock = new VirtualClock()
    const cache = { put: async () => { await clock.advance(1_000) } } as unknown as BlockCache
    await takeOverBlocks({ directory: path, cache, clock, log: logger.forComponent('') })
    const left = said.map(text => /^%d blocks .* about %s are left (\d+) (.*) MB$/.exec(text)).filter(match => match != null)

    expect(said[0]).toMatch(/taken over, %s of them \S+ 3\.2 MB$/)
    expect(left.length).toBeGreaterThan(2)
    expect(left.length).toBeLessThan(14)
    const sizes = left.map(match => Number(match[2]))
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    expect(sizes[0]).toBeLessThan(3.2)
  })

  it('leaves behind what is not what its CID says, and says which', async () => {
    const [good, other] = await blocks(2) as [TestBlock, TestBlock]
    await former([good, { cid: other.cid, bytes: good.bytes }])
    const store = await open()
    expect([await store.blockstore.has(good.cid), await store.blockstore.has(other.cid)]).toEqual([true, false])
    expect(said.join('\n')).toContain(`the block %c of the former store is dropped - %e ${other.cid.toV1()}`)
    await store.close()
  })

  it('that does not fit is left as it is, with advice, and taken over when there is room', async () => {
    const held = await blocks(6, 1_000_000)
    await former(held)
    await expect(open(4_194_304)).rejects.toMatchObject({ name: 'StoreError', message: expect.stringMatching(/could not all be taken over.*nothing of it is lost.*--cache-size/) as string })
    expect(existsSync(join(path, 'blocks', 'CURRENT'))).toBe(true)

    const store = await open()
    expect(store.cache?.stats().blocks.authored).toBe(6)
    await store.close()
  })

  it('whose removal was interrupted is removed', async () => {
    mkdirSync(join(path, 'blocks.taken-over'))
    writeFileSync(join(path, 'blocks.taken-over', 'MANIFEST-000002'), '')
    const store = await open()
    expect(existsSync(join(path, 'blocks.taken-over'))).toBe(false)
    await store.close()
  })

  it('that another process has is a locked store', async () => {
    const { cid, bytes } = await block()
    const holder = new LevelBlockstore(join(path, 'blocks'))
    await holder.open()
    await holder.put(cid, bytes)
    await expect(open()).rejects.toMatchObject({ name: 'StoreLockedError' })
    await holder.close()
  })
})
