import fc from 'fast-check'
import { importer } from 'ipfs-unixfs-importer'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { slotAt } from '../../src/unixfs/hamt.ts'
import { parsePath, resolvePath } from '../../src/unixfs/path.ts'
import { Blocks, content } from './support/blocks.ts'
import type { ImporterOptions } from 'ipfs-unixfs-importer'

const ROOT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

/** A directory of files whose content is their name */
async function addDirectory (blocks: Blocks, names: readonly string[], options: ImporterOptions = {}): Promise<CID> {
  let root: CID | undefined

  for await (const { cid } of importer(
    names.map(name => ({ path: name, content: new TextEncoder().encode(name) })),
    blocks.store,
    { wrapWithDirectory: true, ...options }
  )) {
    root = cid
  }

  if (root == null) {
    throw new Error('test bug: nothing imported')
  }

  return root
}

describe('parsePath', () => {
  it.each([
    [ROOT, []],
    [`${ROOT}/a/b`, ['a', 'b']],
    [`/ipfs/${ROOT}`, []],
    [`/ipfs/${ROOT}/a/b`, ['a', 'b']],
    [`ipfs://${ROOT}/a/b`, ['a', 'b']],
    [`/ipfs/${ROOT}//a///b/`, ['a', 'b']],
    [`${ROOT}/a%20b/ä/...`, ['a%20b', 'ä', '...']]
  ])('%s', (target, segments) => {
    const path = parsePath(target)

    expect(path.root.toString()).toBe(ROOT)
    expect(path.segments).toEqual(segments)
  })

  it('takes a CID as it is', () => {
    const cid = CID.parse(ROOT)
    expect(parsePath(cid)).toEqual({ root: cid, segments: [] })
  })

  it.each(['', '/', '/ipfs/', '/ipfs', 'ipfs://', 'hello', '/home/me', `/${ROOT}`, `ipfs/${ROOT}`, `${ROOT}x`, `https://${ROOT}/`, 'ipns://example.org', '/ipns/example.org/a'])('refuses %s', target => {
    expect(() => parsePath(target)).toThrow(expect.objectContaining({ name: target.includes('ipns') ? 'UnixFSError' : 'InvalidCIDError' }))
  })

  it.each([
    [`https://gateway.example/ipfs/${ROOT}/a.txt`, 'leave out "https://gateway.example/ipfs/"'],
    [`HTTP://127.0.0.1:8480/ipfs/${ROOT}?format=raw`, 'leave out "HTTP://127.0.0.1:8480/ipfs/"'],
    [`https://${ROOT}.ipfs.gateway.example/a`, 'give the CID in it, and the path behind that: CID/PATH'],
    [`file:///ipfs/${ROOT}`, 'give the CID in it']
  ])('says what to leave out of %s', (target, advice) => {
    expect(() => parsePath(target)).toThrow(expect.objectContaining({ name: 'InvalidCIDError', message: expect.stringContaining(`is a URL, not a CID or a path: ${advice}`) }))
  })

  it.each([null, undefined, 1, {}, []])('refuses %o', target => {
    // @ts-expect-error what JavaScript users may pass
    expect(() => parsePath(target)).toThrow(expect.objectContaining({ name: 'InvalidCIDError' }))
  })

  it.each([`${ROOT}/..`, `${ROOT}/a/../b`, `/ipfs/${ROOT}/./a`])('refuses the relative %s', target => {
    expect(() => parsePath(target)).toThrow(expect.objectContaining({ name: 'UnixFSError', code: 'unsupported' }))
  })

  it('gives back the names it was given, or says why not', () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter(name => !name.includes('/')), { maxLength: 5 }), names => {
      const target = [`/ipfs/${ROOT}`, ...names].join('/')

      if (names.includes('.') || names.includes('..')) {
        expect(() => parsePath(target)).toThrow('relative segment')
      } else {
        expect(parsePath(target).segments).toEqual(names)
      }
    }))
  })

  it('throws its own errors, whatever it is given', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string().map(text => `/ipfs/${text}`)), target => {
      try {
        expect(parsePath(target).root).toBeInstanceOf(CID)
      } catch (err) {
        expect(err).toMatchObject({ name: expect.stringMatching(/^(InvalidCIDError|UnixFSError)$/) })
      }
    }), { numRuns: 500 })
  })
})

describe('resolvePath', () => {
  it('walks plain directories', async () => {
    const blocks = new Blocks()
    const root = await addDirectory(blocks, ['a/b/c.txt', 'a/d.txt', 'ü/🦀'])

    expect(await resolvePath(root, ['a', 'b', 'c.txt'], blocks.load)).toMatchObject({ type: 'raw', size: 9 })
    expect(await resolvePath(root, ['ü', '🦀'], blocks.load)).toMatchObject({ type: 'raw', size: 'ü/🦀'.length + 3 })
    expect(await resolvePath(root, ['a', 'b'], blocks.load)).toMatchObject({ type: 'directory' })
    expect((await resolvePath(root, [], blocks.load)).cid).toEqual(root)
  })

  it('names the segment that is not there', async () => {
    const blocks = new Blocks()
    const root = await addDirectory(blocks, ['a/b'])

    await expect(resolvePath(root, ['a', 'nope\n\u001b[31m'], blocks.load)).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-found', message: expect.stringContaining('nope\\u{a}\\u{1b}[31m') })
    await expect(resolvePath(root, ['a', 'b', 'c'], blocks.load)).rejects.toMatchObject({ code: 'not-a-directory', message: expect.stringContaining('"c"') })
    await expect(resolvePath(root, ['A'], blocks.load)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('does not walk into files and through symlinks', async () => {
    const blocks = new Blocks()
    const link = await blocks.node({ type: 'symlink', data: new TextEncoder().encode('../secret') })
    const file = await blocks.file([], content(3))
    const root = await blocks.directory([{ cid: link, name: 'link' }, { cid: file, name: 'file' }])

    await expect(resolvePath(root, ['link', 'x'], blocks.load)).rejects.toMatchObject({ code: 'not-a-directory', message: expect.stringContaining('symlink') })
    await expect(resolvePath(root, ['file', 'x'], blocks.load)).rejects.toMatchObject({ code: 'not-a-directory' })
    expect(await resolvePath(root, ['link'], blocks.load)).toMatchObject({ type: 'symlink', target: '../secret', size: 9 })
  })

  it('finds every entry of a sharded directory of 5 000, loading a handful of blocks', async () => {
    const blocks = new Blocks()
    const names = Array.from({ length: 5_000 }, (_, index) => `file-${index}-ü`)

    for (const shardFanoutBits of [3, 8, 10]) {
      const root = await addDirectory(blocks, names, { shardSplitThresholdBytes: 1, shardFanoutBits })
      let most = 0

      for (const name of names.filter((_, index) => index % 7 === 0)) {
        blocks.loads.length = 0
        const { cid } = await resolvePath(root, [name], blocks.load)
        expect(new TextDecoder().decode(blocks.block(cid))).toBe(name)
        most = Math.max(most, blocks.loads.length - 1)
      }

      // log(5 000) to the base of the fanout, and a few levels more where names collide
      expect(most).toBeGreaterThanOrEqual(Math.ceil(Math.log2(5_000) / shardFanoutBits))
      expect(most).toBeLessThanOrEqual(Math.ceil(Math.log2(5_000) / shardFanoutBits) + 5)

      blocks.loads.length = 0
      await expect(resolvePath(root, ['file-5000-ü'], blocks.load)).rejects.toMatchObject({ code: 'not-found' })
      expect(blocks.loads.length).toBeLessThanOrEqual(most)
    }
  })

  it('finds what the importer put there, and only that', async () => {
    await fc.assert(fc.asyncProperty(
      fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1 }).filter(name => !/^\.*$|\//.test(name) && name.trim() === name && name.isWellFormed()), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 3, max: 10 }), fc.boolean(),
      async (names, shardFanoutBits, sharded) => {
        const blocks = new Blocks()
        const root = await addDirectory(blocks, names, { shardSplitThresholdBytes: sharded ? 0 : 1e9, shardFanoutBits })

        for (const name of names) {
          const { cid } = await resolvePath(root, [name], blocks.load)
          expect(new TextDecoder().decode(blocks.block(cid))).toBe(name)
        }

        await expect(resolvePath(root, [`${names[0]}${names[0]}x`], blocks.load)).rejects.toMatchObject({ code: 'not-found' })
      }), { numRuns: 60 })
  })

  it('uses a name\'s hash from the first bit on, over byte borders', () => {
    const hash = Uint8Array.from([0b10110011, 0b01010101, 0xff, 0, 0, 0, 0, 0x01])

    expect([0, 1, 2, 5].map(level => slotAt(hash, level, { fanout: 8, bits: 3, width: 1 }))).toEqual(['5', '4', '6', '7'])
    expect([0, 1, 2].map(level => slotAt(hash, level, { fanout: 256, bits: 8, width: 2 }))).toEqual(['B3', '55', 'FF'])
    expect([0, 1].map(level => slotAt(hash, level, { fanout: 1024, bits: 10, width: 3 }))).toEqual(['2CD', '15F'])
  })

  it.each([
    ['fanout 3', 3n, 0x22n], ['fanout 4', 4n, 0x22n], ['fanout 2048', 2048n, 0x22n], ['fanout 2^40', 2n ** 40n, 0x22n], ['fanout 0', 0n, 0x22n],
    ['another hash', 256n, 0x12n], ['no hash', 256n, undefined]
  ])('refuses a sharded directory with %s', async (_, fanout, hashType) => {
    const blocks = new Blocks()
    const cid = await blocks.node({ type: 'hamt-sharded-directory', fanout, hashType })

    await expect(resolvePath(cid, ['a'], blocks.load)).rejects.toMatchObject({ name: 'UnixFSError', code: 'malformed' })
  })

  it('refuses shards that do not fit their parent, and goes no deeper than the hash', async () => {
    const blocks = new Blocks()
    const slots = Array.from({ length: 256 }, (_, slot) => slot.toString(16).toUpperCase().padStart(2, '0'))
    const below = async (cid: CID): Promise<CID> => blocks.shard(slots.map(name => ({ cid, name })))

    await expect(resolvePath(await below(await blocks.shard([], 16n)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('fanout 16') })
    await expect(resolvePath(await below(await blocks.directory([])), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(resolvePath(await below(await blocks.raw(content(3))), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })

    let deep = await blocks.shard([])

    for (let level = 0; level < 20; level++) {
      deep = await below(deep)
    }

    blocks.loads.length = 0
    await expect(resolvePath(deep, ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('deeper than its hash') })
    expect(blocks.loads.length).toBe(9)
  })

  it('follows links in dag-cbor and dag-json maps and lists', async () => {
    const blocks = new Blocks()
    const file = await blocks.raw(content(3))
    const directory = await blocks.directory([{ cid: file, name: 'file' }])
    const json = await blocks.json({ list: [1, { to: directory }] })
    const cbor = await blocks.cbor({ a: { b: json }, bytes: content(3), n: 1 })

    expect(await resolvePath(cbor, ['a', 'b', 'list', '1', 'to', 'file'], blocks.load)).toMatchObject({ cid: file, type: 'raw' })
    expect(await resolvePath(cbor, ['a', 'b'], blocks.load)).toMatchObject({ type: 'other' })

    for (const path of [['x'], ['constructor'], ['__proto__'], ['a', 'toString'], ['bytes', '0'], ['n', 'x'], ['a', 'b', 'list', 'length'], ['a', 'b', 'list', '01']]) {
      await expect(resolvePath(cbor, path, blocks.load)).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining(`"${path.at(-1)}"`) })
    }

    await expect(resolvePath(cbor, ['a'], blocks.load)).rejects.toMatchObject({ code: 'unsupported' })
    await expect(resolvePath(await blocks.cbor(file), ['code'], blocks.load)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('wraps what decoders throw', async () => {
    const blocks = new Blocks()

    await expect(resolvePath(await blocks.add(0x71, Uint8Array.of(0xff)), ['a'], blocks.load)).rejects.toMatchObject({ name: 'UnixFSError', code: 'malformed' })
    await expect(resolvePath(await blocks.add(0x71, new Uint8Array(100_000).fill(0x81)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(resolvePath(await blocks.add(0x0129, Uint8Array.of(0x7b)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(resolvePath(await blocks.add(0x70, Uint8Array.of(0x0a, 0x00)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(resolvePath(await blocks.add(0x70, Uint8Array.of(0xff)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed' })
    await expect(resolvePath(await blocks.add(0x72, content(3)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'unsupported' })
    await expect(resolvePath(await blocks.raw(content(3)), ['a'], blocks.load)).rejects.toMatchObject({ code: 'not-a-directory' })

    const broken = await blocks.add(0x70, Uint8Array.of(0x12, 0x03, 0x12, 0x01, 0x61, 0x0a, 0x02, 0x08, 0x01))
    await expect(resolvePath(broken, ['a'], blocks.load)).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('not a CID') })
  })

  it('ends when the signal aborts, although the loader does not', async () => {
    const blocks = new Blocks()
    const root = await addDirectory(blocks, ['a/b'])
    const controller = new AbortController()
    const never: typeof blocks.load = async () => new Promise(() => {})
    const resolving = resolvePath(root, ['a'], never, { signal: controller.signal })
    const stating = resolvePath(root, [], never, { signal: controller.signal })

    controller.abort(new Error('enough'))
    await expect(resolving).rejects.toThrow('enough')
    await expect(stating).rejects.toThrow('enough')
    await expect(resolvePath(root, ['a'], blocks.load, { signal: controller.signal })).rejects.toThrow('enough')
  })
})
