import { describe, expect, it } from 'vitest'
import { stat } from '../../src/unixfs/entry.ts'
import { Blocks, content } from './support/blocks.ts'

describe('stat', () => {
  it('tells type and size from one block', async () => {
    const blocks = new Blocks()
    const raw = await blocks.raw(content(5))
    const file = await blocks.node({ type: 'file', data: content(2), blockSizes: [5n, 5n] }, [{ cid: raw }, { cid: raw }])

    expect(await stat(raw, blocks.load)).toEqual({ cid: raw, type: 'raw', size: 5 })
    expect(await stat(file, blocks.load)).toMatchObject({ cid: file, type: 'file', size: 12 })
    expect(await stat(await blocks.node({ type: 'raw', data: content(2) }), blocks.load)).toMatchObject({ type: 'file', size: 2 })
    expect(await stat(await blocks.file([]), blocks.load)).toMatchObject({ type: 'file', size: 0 })
    expect(await stat(await blocks.directory([]), blocks.load)).toMatchObject({ type: 'directory' })
    expect((await stat(await blocks.directory([]), blocks.load)).size).toBeUndefined()
    expect(await stat(await blocks.shard([]), blocks.load)).toMatchObject({ type: 'directory' })
    expect(await stat(await blocks.cbor({ a: 1 }), blocks.load)).toMatchObject({ type: 'other', size: 4 })
    expect(blocks.loads).toHaveLength(8)
  })

  it('tells mode and time where they are stored, and invents none', async () => {
    const blocks = new Blocks()
    const dated = await blocks.node({ type: 'file', mode: 0o600, mtime: { secs: -5n, nsecs: 7 } })
    const plain = await blocks.file([])

    expect(await stat(dated, blocks.load)).toMatchObject({ mtime: { secs: -5n, nsecs: 7 } })
    expect((await stat(plain, blocks.load)).mtime).toBeUndefined()
    expect((await stat(plain, blocks.load)).mode).toBeUndefined()
    expect((await stat(await blocks.add(0x70, Uint8Array.of(0x0a, 0x05, 0x08, 0x02, 0x38, 0x80, 0x03)), blocks.load)).mode).toBe(0o600)
  })

  it('refuses what is none of these', async () => {
    const blocks = new Blocks()

    await expect(stat(await blocks.node({ type: 'metadata' }), blocks.load)).rejects.toMatchObject({ name: 'UnixFSError', code: 'unsupported' })
    await expect(stat(await blocks.add(0x70, Uint8Array.of(0x0a, 0x02, 0x08, 0x09)), blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(stat(await blocks.node({ type: 'file', blockSizes: [2n ** 63n] }), blocks.load)).rejects.toMatchObject({ code: 'too-large' })
  })
})
