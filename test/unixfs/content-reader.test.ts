import { describe, expect, it } from 'vitest'
import { contentReader } from '../../src/unixfs/content-reader.ts'
import { Blocks, collect, content } from './support/blocks.ts'

describe('contentReader', () => {
  const read = contentReader()

  it('reads a CID, a path and a range', async () => {
    const blocks = new Blocks()
    const raw = await blocks.raw(content(100))
    const file = await blocks.file([{ cid: raw, size: 100 }, { cid: raw, size: 100 }])
    const root = await blocks.directory([{ cid: file, name: 'a b', tsize: 321 }])

    expect(await collect(read(raw, blocks.load))).toEqual(content(100))
    expect(await collect(read(raw.toString(), blocks.load, { offset: 99 }))).toEqual(content(100).subarray(99))
    blocks.loads.length = 0
    expect(await collect(read(`/ipfs/${root}/a b`, blocks.load, { offset: 150, length: 10 }))).toEqual(content(100).subarray(50, 60))
    // Each block once, with the size that its parent told
    expect(blocks.loads.map(({ cid, size }) => [cid, size])).toEqual([[root, undefined], [file, 321], [raw, 100]])
  })

  it('does not choose an index for a directory', async () => {
    const blocks = new Blocks()
    const root = await blocks.directory([{ cid: await blocks.raw(content(3)), name: 'index.html' }])

    await expect(collect(read(root, blocks.load))).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-a-file' })
  })

  it('throws what is wrong with its target when it is read', async () => {
    const blocks = new Blocks()

    await expect(collect(read('nonsense', blocks.load))).rejects.toMatchObject({ name: 'InvalidCIDError' })
    await expect(collect(read(`${await blocks.directory([])}/a`, blocks.load))).rejects.toMatchObject({ code: 'not-found' })
    await expect(collect(read(await blocks.raw(content(3)), blocks.load, { offset: -1 }))).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })

  it('passes its window on', async () => {
    const blocks = new Blocks()
    const raw = await blocks.raw(content(100))
    const file = await blocks.file(Array.from({ length: 20 }, () => ({ cid: raw, size: 100 })))
    const reader = contentReader({ window: 300 })(file, blocks.load)

    await reader.next()
    await new Promise(resolve => setImmediate(resolve))
    expect(blocks.loads).toHaveLength(1 + 1 + 3)
    await reader.return()
    expect(blocks.loads.every(({ signal }) => signal?.aborted)).toBe(true)
  })

  it('stops at once when it is left while it waits for a directory', async () => {
    const blocks = new Blocks()
    const root = await blocks.directory([])
    let signal: AbortSignal | undefined
    const reader = read(`${root}/a`, async (_, options) => {
      signal = options?.signal
      return new Promise(() => {})
    })
    const next = reader.next()

    await new Promise(resolve => setImmediate(resolve))
    expect(signal?.aborted).toBe(false)
    await reader.return()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(signal?.aborted).toBe(true)
  })
})
