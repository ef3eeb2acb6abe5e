import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../../src/clock/system-clock.ts'
import { encodeMessage } from '../../../../src/exchange/bitswap/encode-message.ts'
import { BITSWAP_PROTOCOLS } from '../../../../src/exchange/bitswap/message.ts'
import { networkAnswers } from '../../../../src/exchange/bitswap/server/network-answers.ts'
import { BitswapServer } from '../../../../src/exchange/bitswap/server/server.ts'
import { silentLogger } from '../../../../src/testing/silent-logger.ts'
import { loopbackLibp2p } from '../../../helia/loopback-libp2p.ts'
import { attempt, failure, routeTo, sample, wantOf } from '../attempt.ts'
import { client, node } from '../nodes.ts'
import { Disclosures } from './support.ts'
import type { BitswapServerInit } from '../../../../src/exchange/bitswap/server/server.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { Client } from '../nodes.ts'
import type { Sample } from '../attempt.ts'

const MiB = 1_048_576
const toStop: Array<() => unknown> = []

afterEach(async () => {
  await Promise.all(toStop.splice(0).map(async stop => { await stop() }))
})

async function us (init: BitswapServerInit = { policy: 'everyone' }, security?: 'noise'): Promise<Client & { server: BitswapServer, store: MemoryBlockstore, disclosures: Disclosures }> {
  const ours = await client({ security })
  const store = new MemoryBlockstore()
  const disclosures = new Disclosures()
  const answers = networkAnswers(ours.network)
  const server = new BitswapServer({ store, clock: systemClock, logger: silentLogger, transmit: answers.transmit, disclose: disclosures.disclose }, init)
  const detach = answers.attach(server)
  server.start()
  toStop.push(async () => {
    server.stop()
    detach()
    await ours.stop()
  })

  return { ...ours, server, store, disclosures }
}

async function fill (store: MemoryBlockstore, count: number, size: number): Promise<Sample[]> {
  const blocks = []

  for (let i = 0; i < count; i++) {
    const block = await sample(i, size)
    await store.put(block.cid, block.bytes)
    blocks.push(block)
  }

  return blocks
}

describe('over real streams', () => {
  it('@helia/bitswap reads 16 MiB from us, and what arrives later', async () => {
    const { libp2p, server, store, disclosures } = await us({ policy: 'everyone' }, 'noise')
    const blocks = await fill(store, 16, MiB)
    const helia = await (withBitswap(withLibp2pLight(createHeliaLight(), { ...loopbackLibp2p(), services: { identify: identify() } })) as unknown as HeliaWithLibp2p).start()
    toStop.push(async () => helia.stop())
    await helia.libp2p.dial(libp2p.getMultiaddrs())

    await Promise.all(blocks.map(async ({ cid, bytes }) => {
      for await (const read of helia.blockstore.get(cid)) {
        expect(Buffer.compare(read, bytes)).toBe(0)
      }
    }))

    expect(server.stats()).toMatchObject({ blocks: 16, bytes: 16 * MiB, broken: 0, stalled: 0 })
    await vi.waitFor(() => { expect(disclosures.count('sent')).toBeGreaterThanOrEqual(16) })

    const late = await sample(999, 1_000)
    const reading = all(helia.blockstore.get(late.cid))

    while (server.stats().awaited === 0) {
      await new Promise(resolve => setImmediate(resolve))
    }

    await store.put(late.cid, late.bytes)
    server.arrived(late.cid)
    expect((await reading).map(bytes => Buffer.compare(bytes, late.bytes))).toEqual([0])
  })

  it('we read from us; what is not here is said at once; nobody who may not is served', async () => {
    const serving = await us()
    const [block] = await fill(serving.store, 1, MiB)
    const missing = await sample(5)
    const reader = await client()
    toStop.push(async () => reader.stop())
    await reader.libp2p.dial(serving.libp2p.getMultiaddrs())
    const route = routeTo(serving.libp2p.peerId.toString())
    expect(await reader.fetcher.fetch(wantOf(block as Sample), route, attempt())).toEqual(block?.bytes)
    expect((await failure(reader.fetcher.fetch(wantOf(missing), route, attempt()))).outcome).toBe('not-here')
    serving.server.setPolicy('none')
    const before = serving.disclosures.count()
    expect((await failure(reader.fetcher.fetch(wantOf(block as Sample), route, attempt()))).outcome).toBe('not-here')
    expect(serving.disclosures.count()).toBe(before)
  })

  it('one that never reads is given up by name, its stream ended, and another reads meanwhile', async () => {
    const stalled: string[] = []
    const serving = await us({ policy: 'everyone', limits: { stallTimeout: 500 }, onStalled: (peer, error) => { stalled.push(`${peer} ${error.name}`) } })
    const blocks = await fill(serving.store, 64, MiB)
    const silent = await node()
    toStop.push(async () => silent.stop())
    const ended: Array<Promise<unknown>> = []
    await silent.handle([...BITSWAP_PROTOCOLS], stream => {
      stream.pause()
      ended.push(new Promise(resolve => { stream.addEventListener('close', resolve, { once: true }) }))
    })
    const connection = await silent.dial(serving.libp2p.getMultiaddrs())
    const stream = await connection.newStream([BITSWAP_PROTOCOLS[0]])
    const wants = blocks.map(({ cid }) => ({ cid, type: 'block' as const, priority: 1 }))

    for (const piece of encodeMessage({ wants }, BITSWAP_PROTOCOLS[0])) {
      stream.send(piece)
    }

    const reader = await client()
    toStop.push(async () => reader.stop())
    await reader.libp2p.dial(serving.libp2p.getMultiaddrs())
    const route = routeTo(serving.libp2p.peerId.toString())
    await Promise.all(blocks.map(async block => reader.fetcher.fetch(wantOf(block), route, attempt())))

    while (stalled.length === 0) {
      await new Promise(resolve => setImmediate(resolve))
    }

    expect(stalled).toEqual([`${silent.peerId} PeerStalledError`])
    await Promise.all(ended)
    expect(ended).not.toEqual([])
    expect(serving.server.stats()).toMatchObject({ wants: 0, memory: 0, sending: 0 })
    expect(serving.server.stats().memoryPeak).toBeLessThanOrEqual(16 * MiB)
  })

  it('who disconnects is forgotten', async () => {
    const { libp2p, server, store } = await us()
    await fill(store, 1, 100)
    const other = await node()
    toStop.push(async () => other.stop())
    const connection = await other.dial(libp2p.getMultiaddrs())
    const stream = await connection.newStream([BITSWAP_PROTOCOLS[0]])

    for (const piece of encodeMessage({ wants: [{ cid: (await sample(77)).cid, type: 'block', priority: 1 }] }, BITSWAP_PROTOCOLS[0])) {
      stream.send(piece)
    }

    while (server.stats().wants === 0) {
      await new Promise(resolve => setImmediate(resolve))
    }

    await connection.close()

    while (server.stats().peers > 0) {
      await new Promise(resolve => setImmediate(resolve))
    }

    expect(server.stats()).toMatchObject({ wants: 0, awaited: 0 })
  })
})
