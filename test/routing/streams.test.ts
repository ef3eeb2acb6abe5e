import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { PresentParts } from '../../src/routing/present-parts.ts'
import { ProviderGroup } from '../../src/routing/provider-group.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { contentReader } from '../../src/unixfs/content-reader.ts'
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { world } from './support/world.ts'
import type { World, WorldInit } from './support/world.ts'
import type { Behaviour, SimulatedProvider } from '../../src/testing/simulated-provider.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'

const MIB = 1_048_576
const LEAF = 65_536
const file = await sampleFile({ size: 8 * MIB, chunkSize: LEAF })

interface Scene extends World {
  readonly sender: SimulatedProvider
  readonly spare: SimulatedProvider
  readonly sending: () => number
}

/** A file at two providers, of which the first delivers its root and so sends the stream */
async function scene (sender: Behaviour, spare: Behaviour, init: WorldInit = {}): Promise<Scene> {
  const w = await world(init)
  for (const [key, bytes] of file.blocks) {
    for (const cid of [file.root, ...file.others]) {
      if (blockKey(cid) === key) {
        w.network.put(cid, bytes)
      }
    }
  }
  const first = w.network.add('sender', { latency: 20, streams: true, ...sender })
  await w.clock.run(w.manager.retrieve(file.root))
  const second = w.network.add('spare', { latency: 40, ...spare })
  return { ...w, sender: first, spare: second, sending: () => first.requests.filter(({ purpose }) => purpose === 'stream').length }
}

async function read (w: World, options: { mode?: PrivacyMode, providers?: string[] } = {}): Promise<number> {
  const started = w.clock.now()
  let at = 0
  await w.clock.run((async () => {
    for await (const bytes of w.manager.retrieveContent(file.root, { providers: ['http://spare.example'], ...options })) {
      expect(Buffer.compare(bytes, file.bytes.subarray(at, at + bytes.byteLength))).toBe(0)
      at += bytes.byteLength
    }
  })())
  expect(at).toBe(file.bytes.byteLength)
  return w.clock.now() - started
}

describe('a stream', () => {
  it('costs two requests and the time of the line', async () => {
    const w = await scene({ throughput: 10_000 }, {})
    const took = await read(w)
    // to the root, to the stream, and 8 MiB at 10 MB/s
    expect(took).toBeLessThan(20 + 20 + 8 * MIB / 10_000 + 40)
    expect(w.sending()).toBe(1)
    expect(w.manager.stats().streams).toMatchObject({ begun: 1, resumed: 0, open: 0, blocks: 8 * MIB / LEAF })
    await w.manager.stop()
  })

  it('that stalls is left within the delay of hedges, long before its timeout', async () => {
    const w = await scene({ streamStallsAfter: 40 }, { streams: true })
    expect(await read(w)).toBeLessThan(1_400)
    expect(w.manager.stats().streams.begun).toBeGreaterThan(0)
    expect(w.spare.bytesSent).toBeLessThan(file.bytes.byteLength)
    await w.manager.stop()
  })

  it('that stalls in mode strict is waited for as long as one provider is: nobody else is told meanwhile', async () => {
    const w = await scene({ streamStallsAfter: 40 }, { streams: true })
    const took = await read(w, { mode: 'strict' })
    expect(took).toBeGreaterThan(1_500)
    expect(took).toBeLessThan(4_000)
    expect(w.manager.stats().hedges.sent).toBe(0)
    const [stalled] = w.sender.requests.filter(({ purpose }) => purpose === 'stream')
    expect(w.spare.requests.every(({ at }) => at >= (stalled?.at ?? 0) + 1_500)).toBe(true)
    await w.manager.stop()
  })

  it('slower than others are is left for them', async () => {
    const w = await scene({ throughput: 50 }, { throughput: 20_000, latency: 30 })
    // alone it would take 168 s
    expect(await read(w)).toBeLessThan(8_000)
    await w.manager.stop()
  })

  it('that begins fast and then drips is left within seconds, by what it once was', async () => {
    const network = new SimulatedNetwork()
    const { fetcher } = network
    const stream: BlockFetcher['stream'] = async function * (dag, route, attempt) {
      let count = 0
      const drips = (): boolean => count >= 40 && route.provider === 'http:sender.example'
      const faucet = { ...attempt, bytes: (n: number) => { if (!drips()) { attempt.bytes(n) } } }

      for await (const block of fetcher.stream?.(dag, route, faucet) ?? []) {
        for (let at = 0; drips() && at < block.bytes.byteLength; at += 4_096) {
          await network.clock.sleep(4_096 / 200, { signal: attempt.signal })
          attempt.bytes(4_096)
        }
        count++
        yield block
      }
    }
    const w = await scene({ throughput: 10_000 }, { throughput: 10_000, streams: true }, { network, parts: { fetchers: [{ ...fetcher, stream }] } })
    // at 200 kB/s the rest would take 29 s; by the mean of its life it is left after 3.9
    expect(await read(w)).toBeLessThan(3_500)
    expect(w.manager.stats().streams).toMatchObject({ resumed: 1 })
    await w.manager.stop()
  })

  it('that is slow stays where there is nobody else', async () => {
    const w = await scene({ throughput: 200 }, { down: true })
    const took = await read(w, { providers: [] })
    expect(took).toBeGreaterThan(8 * MIB / 200)
    expect(w.sending()).toBe(1)
    await w.manager.stop()
  })

  it('ends while its reader pauses for long, and is resumed where it ended', async () => {
    const w = await scene({}, { down: true }, { parts: { reader: contentReader({ window: MIB }) } })
    const reading = w.manager.retrieveContent(file.root)
    let at = (await w.clock.run(reading.next())).value?.byteLength ?? 0
    await w.clock.advance(30_000)
    expect(w.manager.stats().streams.open).toBe(0)
    await w.clock.run((async () => {
      for await (const bytes of reading) {
        at += bytes.byteLength
      }
    })())
    expect(at).toBe(file.bytes.byteLength)
    expect(w.sending()).toBe(2)
    // once more the way to where it went on
    expect(w.sender.bytesSent).toBeLessThan(file.bytes.byteLength + 3 * 20_000 + LEAF)
    await w.manager.stop()
  })

  it('leaves nothing behind when the manager stops in the middle', async () => {
    const w = await scene({ streamStallsAfter: 40 }, { down: true })
    const reading = w.manager.retrieveContent(file.root)
    await w.clock.run(reading.next())
    await w.clock.run(w.manager.stop())
    await expect((async () => {
      for await (const bytes of reading) {
        expect(bytes.byteLength).toBe(LEAF)
      }
    })()).rejects.toThrow('closed')
    expect(w.manager.stats().streams.open).toBe(0)
    expect(w.manager.stats().inFlight).toMatchObject({ flights: 0, attempts: 0 })
    expect(w.clock.pending).toBe(0)
  })
})

describe('what a node of the same fleet delivers', () => {
  it('is told to nobody else as a stream', async () => {
    const network = new SimulatedNetwork()
    const { fetcher } = network
    const own = 'http:sender.example'
    const fetchers: BlockFetcher[] = [
      { ...fetcher, routes: provider => provider.id === own ? [] : fetcher.routes(provider) },
      {
        name: 'sibling',
        transport: 'sibling',
        routes: provider => provider.id === own ? [{ provider: own, transport: 'sibling', address: 'http://sender.example' }] : [],
        fetch: fetcher.fetch.bind(fetcher)
      }
    ]
    const w = await scene({ latency: 300 }, { streams: true, latency: 1 }, { network, parts: { fetchers } })
    // the other one is by far the faster
    w.sender.behaviour.has = 0
    for (let i = 0; i < 5; i++) {
      await w.clock.run(w.manager.retrieve(network.block(new Uint8Array([i])), { providers: ['http://spare.example'] }))
    }
    w.sender.behaviour.has = 1
    await read(w)
    expect(w.spare.requests.filter(({ purpose }) => purpose === 'stream')).toEqual([])
    await w.manager.stop()
  })
})

describe('what is here already', () => {
  it('is no reason to fetch the rest again, and few things found are none against it', () => {
    const present = new PresentParts()
    expect(present.missed('a')).toBe(false)
    for (let i = 0; i < 8; i++) {
      expect(present.found('b')).toBe(false)
    }
    expect(present.found('b')).toBe(true)
    expect(present.missed('b')).toBe(true)
    expect(present.missed('a')).toBe(false)
  })

  it('lately counts: half a file may be here and the rest not', () => {
    const present = new PresentParts()
    for (let i = 0; i < 1_000; i++) {
      present.found('a')
    }
    const rare = Array.from({ length: 40 }, () => present.missed('a'))
    expect(rare[0]).toBe(true)
    expect(rare.at(-1)).toBe(false)
    present.forget('a')
    expect(present.found('a')).toBe(false)
  })
})

describe('what a member of a group lacked', () => {
  it('is held against whoever said so, not against everybody whom a record names beside it', () => {
    const provider = { id: 'p2p:peer', addresses: [], protocols: [], source: 'test', fallback: false, domains: [] } as const
    const group = new ProviderGroup(blockKey(file.root), file.root)
    group.delivered(provider, 'p2p:peer')
    for (let i = 0; i < 20; i++) {
      group.lacked('p2p:peer', 'http:forged.example')
    }
    expect(group.has('p2p:peer')).toBeGreaterThan(0.8)
    expect(group.has('p2p:peer', 'http:forged.example')).toBeLessThan(0.3)
    for (let i = 0; i < 20; i++) {
      group.lacked('p2p:peer', `http:${i}.example`)
    }
    expect(group.get('p2p:peer')?.answers.size).toBe(8)
  })
})
