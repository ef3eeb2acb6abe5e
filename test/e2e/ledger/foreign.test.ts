import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { heliaMixin, undiciTransport } from '../../../src/index.ts'
import { loopbackLibp2p } from '../../helia/loopback-libp2p.ts'
import { RecordingLedger } from './recording-ledger.ts'
import { world } from './world.ts'
import type { World } from './world.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'

const open: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

async function adopting (ledger: RecordingLedger, spies: World): Promise<{ retrieve: (index: number) => Promise<unknown>, stop: () => Promise<void> }> {
  const helia = heliaMixin(undiciTransport, { ledger })(withBitswap(withLibp2pLight(createHeliaLight(), { ...loopbackLibp2p(), services: { identify: identify() } })) as unknown as HeliaWithLibp2p, { mode: 'open', bitswap: 'adopted', allowAddresses: ['127.0.0.0/8'] })
  await helia.start()
  // peers that the broker has, and whom nobody chose
  for (const peer of spies.peers) {
    await helia.libp2p.dial(peer.libp2p.getMultiaddrs())
  }
  return {
    retrieve: async index => helia.contentRouting.retrieve(spies.blocks[index] as never, { timeout: 10_000 }),
    stop: async () => { await helia.stop() }
  }
}

describe('what an adopted broker tells others', () => {
  it('is in the ledger as foreign: a lower bound that names nobody who was not told, for each block that anybody saw', async () => {
    const spies = await world(11)
    open.push(async () => spies.close())
    const ledger = new RecordingLedger()
    const node = await adopting(ledger, spies)

    for (let i = 0; i < 10; i++) {
      await node.retrieve(i)
    }
    await node.stop()

    const seen = spies.sightings.seen.filter(({ transport, what }) => transport === 'bitswap' && what === 'asked')
    const foreign = ledger.entries.map(({ entry }) => entry).filter(({ transport }) => transport === 'foreign')
    const unbounded = new Set(foreign.filter(({ audience, state }) => audience === 'unbounded' && state !== 'not-sent').map(({ key }) => key))
    const named = foreign.filter(({ audience, observer }) => audience === 'one' && observer.startsWith('p2p:'))

    // every peer that happens to be connected is told
    expect(seen.length).toBeGreaterThanOrEqual(10 * spies.peers.length)
    expect(seen.filter(({ subject }) => !unbounded.has(subject))).toEqual([])
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(({ observer, key }) => !seen.some(sighting => sighting.observer === observer && sighting.subject === key))).toEqual([])
    expect(ledger.entries.filter(({ entry }) => entry.state === 'intended')).toEqual([])
  }, 60_000)
})
