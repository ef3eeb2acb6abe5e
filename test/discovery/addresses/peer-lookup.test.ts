import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { peerWalk } from '../../../src/discovery/addresses/peer-lookup.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { madeUpPeer } from '../kad/support/peers.ts'
import { nearestOf } from '../kad/support/simulated-dht.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { KadAnswer, KadClient, KadPeer } from '../../../src/discovery/kad/kad-client.ts'

it('a walk towards a peer ends with the first who knows where it is', async () => {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const peers = Array.from({ length: 40 }, () => madeUpPeer(random))
  const target = madeUpPeer(random, ['/ip4/192.0.2.7/tcp/4001'])
  let asked = 0
  const client: Pick<KadClient, 'findNode'> = {
    async findNode (_peer: KadPeer, _key, disclosure, { signal }): Promise<KadAnswer> {
      const isFirst = ++asked === 1
      disclosure?.sent()
      await clock.sleep(isFirst ? 100 : 10_000, { signal })
      return { closer: [target], providers: [], skipped: 0 }
    }
  }
  const lookup = peerWalk({ clock, client: client as KadClient, timing: new PeerTiming(), table: { nearest: (key, count) => nearestOf(key, peers, count) }, joined: async () => true })
  const { request } = recordedRequest({ clock })

  expect(await clock.run(lookup(target.id, request, { signal: new AbortController().signal }))).toEqual(target.addresses)
  expect(clock.now()).toBe(100)
  expect(asked).toBeLessThanOrEqual(6)
  expect(clock.pending).toBe(0)
})
