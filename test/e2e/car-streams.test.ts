import { encode as encodeCbor } from '@ipld/dag-cbor'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { createPortolan } from '../../src/index.ts'
import { sampleFile } from '../../src/testing/index.ts'
import { contentReader } from '../../src/unixfs/content-reader.ts'
import { after, carServer, honest, section, send } from './car-server.ts'
import type { CarAnswer, CarServer } from './car-server.ts'
import type { Portolan } from '../../src/index.ts'
import type { RetrievalSession } from '../../src/interface/routing.ts'
import type { SampleFile } from '../../src/testing/index.ts'

const MIB = 1_048_576
const LEAF = 65_536
const file = await sampleFile({ size: 6 * MIB, chunkSize: LEAF })
const other = await sampleFile({ size: 2 * LEAF, chunkSize: LEAF, seed: 99 })

const open: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

async function serve (served: SampleFile, answer?: CarAnswer): Promise<CarServer> {
  const server = await carServer(served, answer)
  open.push(async () => { await server.close() })
  return server
}

async function node (providers: readonly CarServer[]): Promise<Portolan> {
  const made = await createPortolan({ providers: providers.map(({ url }) => url), allowAddresses: ['127.0.0.0/8'] })
  open.push(async () => { await made.stop() })
  return made
}

async function collect (bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function same (bytes: Uint8Array, wanted: Uint8Array): boolean {
  return Buffer.compare(bytes, wanted) === 0
}

interface Failover {
  readonly bad: CarServer
  readonly good: CarServer
  readonly story: string
  readonly made: Portolan
}

/** A file whose stream comes from one that fails, while another that has delivered before is known too */
async function failover (answer: CarAnswer, options: { offset?: number, length?: number } = {}): Promise<Failover> {
  const good = await serve({ ...file, blocks: new Map([...file.blocks, ...other.blocks]) })
  const bad = await serve(file, answer)
  const made = await node([bad])
  await made.contentRouting.retrieve(other.root, { providers: [good.url] })
  const session = made.contentRouting.createSession(file.root)
  const bytes = await collect(readBy(session, () => { session.addProvider(good.url) }, options))
  session.close()
  const { offset = 0, length = Infinity } = options
  expect(same(bytes, file.bytes.subarray(offset, offset + length))).toBe(true)
  const stored = await keysOf(made)
  expect(stored.filter(key => !file.blocks.has(key) && !other.blocks.has(key))).toEqual([])
  return { bad, good, story: String(made.contentRouting.explain(file.root)), made }
}

function readBy (session: RetrievalSession, begun: () => void, options: { offset?: number, length?: number }): AsyncIterable<Uint8Array> {
  return contentReader()(session.root, async (cid, load) => {
    const loading = session.retrieve(cid, load)
    if (load?.part != null) {
      begun()
    }
    return loading
  }, options)
}

async function keysOf (made: Portolan): Promise<string[]> {
  const keys: string[] = []
  const { blockstore } = made.helia as unknown as { blockstore: { getAll (): AsyncIterable<{ cid: CID }> } }
  for await (const { cid } of blockstore.getAll()) {
    keys.push(blockKey(cid))
  }
  return keys
}

async function blockOf (bytes: Uint8Array): Promise<Uint8Array> {
  return section(CID.createV1(0x55, await sha256.digest(bytes)).bytes, bytes)
}

/** Not more often than the blocks that were asked for when the stream failed */
const FEW = 24

describe('a file over HTTP', () => {
  it('comes as one stream from a provider that makes CARs, and nothing of it twice', async () => {
    const server = await serve(file)
    const { contentRouting } = await node([server])
    expect(same(await collect(contentRouting.retrieveContent(file.root)), file.bytes)).toBe(true)
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(file.root)])
    expect(contentRouting.stats().streams).toMatchObject({ begun: 1, resumed: 0, blocks: 6 * MIB / LEAF, bytes: 6 * MIB })
    expect(contentRouting.stats().bytes.wasted).toBe(0)
    expect(String(contentRouting.explain(file.root))).toMatch(/stream .*asked for bytes 0 to 6291455 as one stream/)
    expect(String(contentRouting.explain(file.others[7] as CID))).toMatch(/came in a stream of .* from http:127/)
  })

  it('read by 25 at once comes once', async () => {
    const server = await serve(file)
    const { contentRouting } = await node([server])
    const files = await Promise.all(Array.from({ length: 25 }, async () => collect(contentRouting.retrieveContent(file.root))))
    expect(files.every(bytes => same(bytes, file.bytes))).toBe(true)
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(file.root)])
  })

  it('of which a part is read comes in that part', async () => {
    const server = await serve(file)
    const { contentRouting } = await node([server])
    const bytes = await collect(contentRouting.retrieveContent(file.root, { offset: 3 * MIB + 5, length: 2 * MIB }))
    expect(same(bytes, file.bytes.subarray(3 * MIB + 5, 5 * MIB + 5))).toBe(true)
    expect(server.cars.map(({ query }) => [query.from, query.to])).toEqual([[3 * MIB + 5, 5 * MIB + 4]])
    expect(server.cars[0]?.sent).toBeLessThan(2 * MIB + 2 * LEAF + 20_000)
    expect(server.blocks).toEqual([blockKey(file.root)])
  })

  it('of many small blocks begins block by block where nobody knows whether CARs are made, and comes as one stream from then on', async () => {
    const [first, second] = await Promise.all([1, 2].map(async seed => sampleFile({ size: 4 * MIB, chunkSize: 16_384, seed }))) as [SampleFile, SampleFile]
    const server = await serve({ ...first, blocks: new Map([...first.blocks, ...second.blocks]) })
    const { contentRouting } = await node([server])
    expect(same(await collect(contentRouting.retrieveContent(first.root)), first.bytes)).toBe(true)
    expect(server.cars.map(({ query }) => query.from)).toEqual([MIB])
    // the root and the first MiB
    expect(server.blocks.length).toBe(1 + 64)
    expect(contentRouting.stats().streams.bytes).toBe(3 * MIB)
    expect(contentRouting.stats().bytes.wasted).toBe(0)
    expect(same(await collect(contentRouting.retrieveContent(second.root)), second.bytes)).toBe(true)
    expect(server.cars.map(({ query }) => query.from)).toEqual([MIB, 0])
    expect(server.blocks.length).toBe(1 + 64 + 1)
  })

  it('from a provider that makes no CARs costs one request more in an hour, and each block once', async () => {
    const files = await Promise.all([1, 2, 3].map(async seed => sampleFile({ size: 2 * MIB + MIB / 2, chunkSize: 16_384, seed })))
    const server = await serve({ ...file, blocks: new Map(files.flatMap(({ blocks }) => [...blocks])) }, async ({ res }) => { res.writeHead(406).end() })
    const { contentRouting } = await node([server])
    for (const { root, bytes } of files) {
      expect(same(await collect(contentRouting.retrieveContent(root)), bytes)).toBe(true)
    }
    expect(server.cars.length).toBe(1)
    expect(server.blocks.length).toBe(new Set(server.blocks).size)
    expect(server.blocks.length).toBe(files.reduce((sum, { blocks }) => sum + blocks.size, 0))
    expect(contentRouting.stats().streams.begun).toBe(1)
  })

  it('of which little is left to read comes block by block', async () => {
    const server = await serve(file)
    const { contentRouting } = await node([server])
    await collect(contentRouting.retrieveContent(file.root, { offset: 5 * MIB, length: MIB / 2 }))
    expect(server.cars.length).toBe(0)
    expect(server.blocks.length).toBe(1 + MIB / 2 / LEAF)
  })

  it('that repeats a block needs it once', async () => {
    const zeroes = await sampleFile({ size: 6 * MIB, chunkSize: LEAF, distinct: 3 })
    const server = await serve(zeroes)
    const { contentRouting } = await node([server])
    expect(same(await collect(contentRouting.retrieveContent(zeroes.root)), zeroes.bytes)).toBe(true)
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(zeroes.root)])
  })

  it('with a hole in the store is not fetched again', async () => {
    const server = await serve(file)
    const made = await node([server])
    await collect(made.contentRouting.retrieveContent(file.root))
    const hole = file.others.filter(cid => cid.code === 0x55)[60] as CID
    await (made.store as unknown as { delete (cid: CID): Promise<void> }).delete(hole)
    expect(same(await collect(made.contentRouting.retrieveContent(file.root)), file.bytes)).toBe(true)
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(file.root), blockKey(hole)])
  })

  it('whose reader leaves ends on the wire at once', async () => {
    const server = await serve(file, after(20, async () => {}))
    const { contentRouting } = await node([server])
    const reading = contentRouting.retrieveContent(file.root)
    expect((await reading.next()).value?.byteLength).toBe(LEAF)
    await reading.return()
    expect(await server.cars[0]?.closed).toBe(true)
    expect(contentRouting.stats().streams.open).toBe(0)
  })

  it('ends on the wire when the node stops', async () => {
    const server = await serve(file, after(20, async () => {}))
    const made = await node([server])
    const reading = made.contentRouting.retrieveContent(file.root)
    await reading.next()
    const stopped = made.stop()
    expect(await server.cars[0]?.closed).toBe(true)
    await stopped
    await expect(collect(reading)).rejects.toThrow()
  })

  it('that is read slowly comes as one stream', async () => {
    const server = await serve(file)
    const { contentRouting } = await node([server])
    let at = 0
    for await (const bytes of contentRouting.retrieveContent(file.root)) {
      expect(same(bytes, file.bytes.subarray(at, at + bytes.byteLength))).toBe(true)
      at += bytes.byteLength
      // whatever is on its way arrives before the next is taken
      for (let turn = 0; turn < 20; turn++) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(file.root)])
  })

  it('is pulled no faster than it is read', async () => {
    const big = await sampleFile({ size: 40 * MIB, chunkSize: 262_144 })
    const server = await serve(big)
    const { contentRouting } = await node([server])
    const reading = contentRouting.retrieveContent(big.root)
    await reading.next()
    const [car] = server.cars
    for (let quiet = 0, sent = 0; quiet < 200; quiet = sent === car?.sent && car.res.writableNeedDrain ? quiet + 1 : 0) {
      sent = car?.sent ?? 0
      await new Promise(resolve => setImmediate(resolve))
    }
    // the windows of reader and stream, and what sockets hold
    expect(car?.sent).toBeLessThan(24 * MIB)
    // what waited for the reader is taken, and the stream goes on
    await collect(reading)
    expect(server.cars.length).toBe(1)
    expect(server.blocks).toEqual([blockKey(big.root)])
  })
})

describe('a stream that fails', () => {
  const leaf = file.blocks.get(blockKey(file.others.find(({ code }) => code === 0x55) as CID)) as Uint8Array
  const wrong = new Uint8Array(LEAF).fill(7)
  const cases: ReadonlyArray<[what: string, answer: CarAnswer, says: RegExp]> = [
    ['falls silent', after(20, async () => {}), /others were faster|silent for/],
    ['sends a byte now and then', after(20, async ({ res }) => { await send(res, new Uint8Array([0x80])) }), /others were faster|silent for/],
    ['breaks off', after(20, async ({ res }) => { res.destroy() }), /unreachable|ended early/],
    ['ends early, as if that were all', after(20, async ({ res }) => { res.end() }), /20 blocks, not all that were asked for/],
    ['has a wrong block in the middle', after(20, async ({ res, sections }) => {
      const { value } = await sections.next()
      const bytes = (value as Uint8Array).slice()
      bytes[bytes.byteLength - 1] = ~(bytes.at(-1) ?? 0)
      await send(res, bytes)
    }), /invalid, .*had a wrong block/],
    ['has a block that is no part of the file', after(20, async ({ res }) => { await send(res, await blockOf(wrong)) }), /invalid, .*which is no part of it/],
    ['repeats a block for ever', after(20, async ({ res }) => {
      const again = await blockOf(leaf)
      while (await send(res, again)) {
        // until nobody listens
      }
    }), /invalid, .*had too many blocks twice/],
    ['begins with a header of another file', async ({ res }) => { await send(res, section(encodeCbor({ version: 1, roots: [other.root] }))) }, /invalid, .*a header with the root/],
    ['begins with a header that claims a terabyte', async ({ res }) => { await send(res, varint.encodeTo(2 ** 40, new Uint8Array(6))) }, /invalid, .*a header that claims/],
    ['claims a section of a terabyte', after(20, async ({ res }) => { await send(res, varint.encodeTo(2 ** 40, new Uint8Array(6))) }), /invalid, .*a section that claims/],
    ['sends lengths that never end', after(20, async ({ res }) => { await send(res, new Uint8Array(64).fill(0xff)) }), /invalid, .*a section that claims/],
    ['is a web page', async ({ res }) => { res.writeHead(200, { 'content-type': 'text/html' }).end('<html>') }, /not-here, .*instead of a CAR/],
    ['is not made there', async ({ res }) => { res.writeHead(406).end() }, /not-here, .*makes no CARs/],
    ['is redirected', async ({ res }) => { res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end() }, /refused, .*which is not followed/]
  ]

  it.each(cases)('because it %s is resumed with another provider where it ended', async (_what, answer, says) => {
    const { bad, good, story } = await failover(answer)
    expect(story).toMatch(says)
    expect(bad.cars.length).toBe(1)
    expect(good.cars.length).toBe(1)
    // nothing twice but what was under way when it failed
    expect(bad.blocks.length + good.blocks.length).toBeLessThan(FEW)
    expect(good.cars[0]?.sent).toBeLessThan(6 * MIB + 30_000 - (good.cars[0]?.query.from ?? 0) + LEAF)
    expect(story).toMatch(/in place of http:127/)
  })

  it('because its server ignores which part was asked for ends soon', async () => {
    const { bad, good, story } = await failover(async exchange => {
      const all = await carServer(file)
      const res = await fetch(`${all.url}/ipfs/${file.root}?format=car`)
      for await (const chunk of res.body ?? []) {
        if (!await send(exchange.res, chunk)) {
          break
        }
      }
      await all.close()
    }, { offset: 4 * MIB })
    expect(story).toMatch(/more than the part that was asked for/)
    expect(bad.cars.length).toBe(1)
    expect(good.cars.map(({ query }) => query.from)).toEqual([4 * MIB])
  })

  it('because a block is missing costs that block alone', async () => {
    const { bad, good } = await failover(after(20, async ({ res, sections }) => {
      await sections.next()
      await honest({ res, sections } as Parameters<CarAnswer>[0])
    }))
    expect(bad.cars.length + good.cars.length).toBe(1)
    expect(bad.blocks.length + good.blocks.length).toBeLessThan(5)
  })

  it('everywhere is no reason to fail: the blocks come one by one', async () => {
    const broken = after(3, async ({ res }) => { res.destroy() })
    const servers = await Promise.all([serve(file, broken), serve(file, broken)])
    const { contentRouting } = await node(servers)
    expect(same(await collect(contentRouting.retrieveContent(file.root)), file.bytes)).toBe(true)
    expect(servers.flatMap(({ cars }) => cars).length).toBeLessThanOrEqual(3)
  })
})
