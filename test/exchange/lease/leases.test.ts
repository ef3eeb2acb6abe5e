import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { addressesOf, disclosureTo, leasesOf, never, node } from './nodes.ts'

const id = (libp2p: { peerId: { toString (): string } }): string => libp2p.peerId.toString()

describe('a lease', () => {
  it('dials once for all who ask, and closes what it opened 30 s after the last release', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client, { clock })
    const target = { peer: id(server), addresses: addressesOf(server) }

    const held = await Promise.all(Array.from({ length: 20 }, async () => leases.acquire(target, { signal: never }, disclosureTo(target.peer))))
    expect(new Set(held.map(({ connection }) => connection.id)).size).toBe(1)
    expect(leases.size).toMatchObject({ peers: 1, leases: 20, dials: 0 })
    expect(client.getConnections()).toHaveLength(1)
    const closed = new Promise(resolve => { held[0]?.connection.addEventListener('close', resolve) })

    for (const lease of held) {
      lease.release()
      lease.release()
    }
    await clock.advance(29_999)
    expect(leases.size.peers).toBe(1)
    expect(client.getConnections()).toHaveLength(1)
    await clock.advance(1)
    await closed
    expect(client.getConnections()).toHaveLength(0)
    expect(leases.size).toMatchObject({ peers: 0, leases: 0 })
  })
})
