import { encode as encodeCbor } from '@ipld/dag-cbor'
import fc from 'fast-check'
import all from 'it-all'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { concat } from 'uint8arrays/concat'
import { describe, expect, it } from 'vitest'
import { readCar } from '../../../src/exchange/car/car-reader.ts'
import type { ReadCarInit } from '../../../src/exchange/car/car-reader.ts'
import type { Block } from '../../../src/interface/fetcher.ts'

const LIMIT = 2_097_152

async function block (bytes: Uint8Array): Promise<Block> {
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

const root = await block(new Uint8Array([1, 2, 3]))
const other = await block(new Uint8Array([4, 5]))

function length (n: number): Uint8Array {
  return varint.encodeTo(n, new Uint8Array(varint.encodingLength(n)))
}

function section (bytes: Uint8Array): Uint8Array {
  return concat([length(bytes.byteLength), bytes])
}

function header (value: unknown = { version: 1, roots: [root.cid] }): Uint8Array {
  return section(encodeCbor(value))
}

function car (blocks: readonly Block[], head = header()): Uint8Array {
  return concat([head, ...blocks.map(({ cid, bytes }) => section(concat([cid.bytes, bytes])))])
}

async function * chunks (bytes: Uint8Array, size = bytes.byteLength): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.byteLength; i += size) {
    yield bytes.slice(i, i + size)
  }
}

async function read (bytes: Uint8Array, init: Partial<ReadCarInit> = {}, size?: number): Promise<Block[]> {
  return all(readCar(chunks(bytes, size), { maxBlockBytes: LIMIT, ...init }))
}

describe('readCar', () => {
  it('gives back what a CAR was made of, however it is cut into chunks', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }), fc.integer({ min: 1, max: 500 }), async (contents, size) => {
      const blocks = await Promise.all(contents.map(block))
      const got = await read(car(blocks), {}, size)

      expect(got.map(({ cid }) => cid.toString())).toEqual(blocks.map(({ cid }) => cid.toString()))
      expect(got.map(({ bytes }) => [...bytes])).toEqual(contents.map(bytes => [...bytes]))
    }), { numRuns: 60 })
  })

  it('gives back what it was made of when small and large chunks take turns', async () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 900, max: 9_000 }))
    await fc.assert(fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 30 }), fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 8 }), async (sizes, lengths) => {
      const blocks = await Promise.all(lengths.map(async (n, i) => block(new Uint8Array(n).map((_, at) => at * 7 + i))))
      const bytes = car(blocks)
      async function * source (): AsyncGenerator<Uint8Array> {
        for (let at = 0, i = 0; at < bytes.byteLength; i++) {
          const end = at + (sizes[i % sizes.length] ?? 1)
          // views, as sockets give them
          yield Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(end, bytes.byteLength) - at)
          at = end
        }
      }
      const got = await all(readCar(source(), { maxBlockBytes: LIMIT }))
      expect(got.map(({ cid }) => cid.toString())).toEqual(blocks.map(({ cid }) => cid.toString()))
      expect(got.every(({ bytes }, i) => Buffer.compare(bytes, blocks[i]?.bytes ?? new Uint8Array(0)) === 0)).toBe(true)
    }), { numRuns: 60 })
  })

  it('reads CIDs of version 0', async () => {
    const cid = CID.createV0(await sha256.digest(root.bytes))
    const [got] = await read(car([{ cid, bytes: root.bytes }]))
    expect(got?.cid.toString()).toBe(cid.toString())
  })

  it('gives a block away as soon as it is whole', async () => {
    let pulled = 0
    async function * source (): AsyncGenerator<Uint8Array> {
      for (const part of [header(), section(concat([root.cid.bytes, root.bytes])), section(concat([other.cid.bytes, other.bytes]))]) {
        pulled++
        yield part
      }
    }
    const reader = readCar(source(), { maxBlockBytes: LIMIT })

    expect((await reader.next()).value?.bytes).toEqual(root.bytes)
    expect(pulled).toBe(2)
    await reader.return()
  })

  it('holds a block that comes byte by byte in little more than its size', async () => {
    const big = await block(new Uint8Array(200_000).map((_, i) => i))
    const bytes = car([root, big, other])
    const got = await read(bytes, {}, 1)
    expect(got.map(({ bytes }) => bytes.byteLength)).toEqual([3, 200_000, 2])
    expect(got[1]?.bytes).toEqual(big.bytes)
  })

  it('ends the source when its reader leaves', async () => {
    let ended = false
    async function * source (): AsyncGenerator<Uint8Array> {
      try {
        while (true) {
          yield car([root])
        }
      } finally {
        ended = true
      }
    }

    const reader = readCar(source(), { maxBlockBytes: LIMIT })
    expect((await reader.next()).value?.bytes).toEqual(root.bytes)
    expect(ended).toBe(false)
    await reader.return()
    expect(ended).toBe(true)
  })

  it('accepts a header without roots, and one that names the wanted root among others', async () => {
    await expect(read(car([root], header({ version: 1, roots: [] })), { root: root.cid })).resolves.toHaveLength(1)
    await expect(read(car([root], header({ version: 1, roots: [other.cid, root.cid] })), { root: root.cid })).resolves.toHaveLength(1)
  })

  it.each<[string, Uint8Array, Partial<ReadCarInit>, RegExp]>([
    ['nothing', new Uint8Array(0), {}, /nothing, not even a header/],
    ['a header that breaks off', header().subarray(0, 9), {}, /header of \d+ bytes that breaks off/],
    ['a length that breaks off', new Uint8Array([0x80]), {}, /length that breaks off/],
    ['an empty header', new Uint8Array([0]), {}, /an empty header/],
    ['a header that is not dag-cbor', section(new Uint8Array([0xff, 1, 2])), {}, /not dag-cbor/],
    ['a header that is no map', header(null), {}, /version undefined/],
    ['a CAR of version 2', header({ version: 2 }), {}, /version 2/],
    ['a header without roots', header({ version: 1 }), {}, /without a list of roots/],
    ['roots that are no CIDs', header({ version: 1, roots: ['x'] }), {}, /without a list of roots/],
    ['foreign roots', car([root]), { root: other.cid }, /instead of/],
    ['a header of 1 GiB', length(2 ** 27 - 1), {}, /claims \d+ bytes, at most/],
    ['a length of 1 TiB', length(2 ** 40), {}, /claims 268435456 bytes or more/],
    ['an endless varint', new Uint8Array(20).fill(0xff), {}, /or more/],
    ['a padded length', new Uint8Array([0x80, 0x00]), {}, /padded with zeroes/],
    ['an empty section', concat([header(), new Uint8Array([0])]), {}, /an empty section/],
    ['a section that lies about its length', concat([header(), length(1000), root.cid.bytes]), {}, /section of 1000 bytes that breaks off after 36/],
    ['a section beyond the limit', concat([header(), length(LIMIT + 165)]), {}, /section that claims/],
    ['a block beyond the limit', car([root]), { maxBlockBytes: 2 }, /a block of 3 bytes, at most 2/],
    ['a section without a CID', concat([header(), section(new Uint8Array([0x80, 0x80]))]), {}, /does not begin with a CID/],
    ['a CID of version 7', concat([header(), section(new Uint8Array([7, 0x55, 0x12, 0x20]))]), {}, /version 7/],
    ['a CID with a giant digest', concat([header(), section(concat([new Uint8Array([1, 0x55, 0]), length(100_000), new Uint8Array(100_000)]))]), {}, /digest of 100000 bytes/],
    ['a section that ends within its CID', concat([header(), section(root.cid.bytes.subarray(0, 20))]), {}, /ends within its CID/],
    ['a section that ends within a CID of version 0', concat([header(), section(new Uint8Array([0x12, 0x20, 1]))]), {}, /ends within its CID/]
  ])('refuses %s', async (_name, bytes, init, message) => {
    await expect(read(bytes, init)).rejects.toMatchObject({ name: 'CarError', message: expect.stringMatching(message) as string })
  })

  it('throws nothing but its own error at garbage, and never hangs', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async garbage => {
      for (const bytes of [garbage, concat([header(), garbage])]) {
        await read(bytes).catch((err: Error) => { expect(err.name).toBe('CarError') })
      }
    }), { numRuns: 300 })
  })

  it('throws nothing but its own error at a CAR with one byte changed or cut short', async () => {
    const good = car([root, other])
    await fc.assert(fc.asyncProperty(fc.nat({ max: good.byteLength - 1 }), fc.nat({ max: 255 }), fc.boolean(), async (at, value, cut) => {
      const bytes = good.slice(0, cut ? at : undefined)
      if (!cut) {
        bytes[at] = value
      }
      await read(bytes).catch((err: Error) => { expect(err.name).toBe('CarError') })
    }), { numRuns: 300 })
  })

  it('passes on what its source throws', async () => {
    async function * source (): AsyncGenerator<Uint8Array> {
      yield header()
      throw new TypeError('the connection broke')
    }
    await expect(all(readCar(source(), { maxBlockBytes: LIMIT }))).rejects.toThrow('the connection broke')
  })
})
