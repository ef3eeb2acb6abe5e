import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelBlockstore } from 'blockstore-level'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockVerifier } from '../../src/block/verify.ts'
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

  it('with good blocks that are not accepted is put aside whole, and says where and what to do; they are taken over when they are', async () => {
    const { cid, bytes } = await block()
    const [large] = await blocks(1, 2_500_000) as [TestBlock]
    const git = CID.createV1(0x78, Digest.create(0x11, new Uint8Array(createHash('sha1').update(bytes).digest())))
    await former([{ cid, bytes }, large, { cid: git, bytes }])
    const store = await open()
    expect([await store.blockstore.has(cid), await store.blockstore.has(large.cid), await store.blockstore.has(git)]).toEqual([true, false, false])
    await store.close()
    const log = said.join('\n')
    expect(log).toContain(`the block ${large.cid.toV1()}`)
    expect(log).toContain(`kept, as %s: %s 2 ${join(path, 'blocks.left')}`)
    expect(log).toMatch(/--max-block-size.*rename it to blocks/)
    expect(log).toContain('--allow-sha1')
    expect(log).not.toContain('is dropped')

    renameSync(join(path, 'blocks.left'), join(path, 'blocks'))
    const verifier = blockVerifier({ maxBlockSize: 4_194_304, allowSha1: true })
    const again = directoryStore(path, { maxBytes: 16_000_000, logger, verifier })
    await again.open()
    expect([await again.blockstore.has(large.cid), await again.blockstore.has(git)]).toEqual([true, true])
    expect([existsSync(join(path, 'blocks')), existsSync(join(path, 'blocks.left'))]).toEqual([false, false])
    await again.close()
  })

  it('with entries that are no blocks is put aside, names them, and does not stop a start', async () => {
    const held = await blocks(2)
    mkdirSync(join(path, 'blocks.left'))
    await former(held)
    const database = new LevelBlockstore(join(path, 'blocks'))
    await database.open()
    for (const key of ['/NOTBASE32!', '/AAAA', 'notes', '']) {
      await database.db.put(key === '' ? '\u202e' : key, new Uint8Array(3))
    }
    await database.close()
    const store = await open()
    expect(store.cache?.stats().blocks.authored).toBe(2)
    await store.close()
    for (const name of ['"/NOTBASE32!"', '"/AAAA"', '"notes"', '"\\u{202e}"']) {
      expect(said.join('\n')).toContain(`the entry ${name}`)
    }
    expect([existsSync(join(path, 'blocks')), existsSync(join(path, 'blocks.left-2', 'CURRENT'))]).toEqual([false, true])
    await (await open()).close()
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
