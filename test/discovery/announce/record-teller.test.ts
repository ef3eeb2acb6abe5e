import { CID } from 'multiformats/cid'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { RecordTeller } from '../../../src/discovery/announce/record-teller.ts'
import { SweepAnnouncer } from '../../../src/discovery/announce/sweep-announcer.ts'
import { KadRequestError } from '../../../src/discovery/kad/kad-client.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { madeUpPeer } from '../kad/support/peers.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { KadClient, ProviderRecord } from '../../../src/discovery/kad/kad-client.ts'

const log = silentLogger.forComponent('test')
const random = seededRandom(1)
const peer = madeUpPeer(random)
const self = { id: madeUpPeer(random).id, addresses: ['/ip4/192.0.2.9/tcp/4001'] }
const signal = new AbortController().signal
const SHA2_256 = 0x12

async function blocks (count: number, hasher: typeof sha256 | typeof sha512 = sha256): Promise<CID[]> {
  return Promise.all(Array.from({ length: count }, async (_, i) => CID.createV1(0x55, await hasher.digest(Uint8Array.of(i, i >> 8)))))
}

function tellerOf (addProviders: (records: readonly ProviderRecord[]) => Promise<void>): { teller: RecordTeller, timing: PeerTiming, clock: VirtualClock, batches: number[] } {
  const clock = new VirtualClock()
  const timing = new PeerTiming()
  const batches: number[] = []
  const client: Pick<KadClient, 'addProviders'> = {
    async addProviders (_peer, records) {
      batches.push(records.length)
      await addProviders(records)
      records.forEach(({ disclosure }) => { disclosure.sent() })
    }
  }
  return { teller: new RecordTeller({ clock, log, client, timing }), timing, clock, batches }
}

describe('a peer that is to keep records', () => {
  it('gets 64 at a time, and those that it would refuse apart, so that they cost the others nothing', async () => {
    const { request } = recordedRequest()
    const usual = await blocks(130)
    const { teller, batches } = tellerOf(async records => {
      if (records.some(({ multihash }) => multihash[0] !== SHA2_256)) {
        throw new KadRequestError('broken', 'it ends the stream')
      }
    })
    expect(await teller.tell(peer, [...await blocks(3, sha512), ...usual], { signal, self, request: () => request })).toEqual(usual)
    expect(batches).toEqual([64, 64, 2, 3])
    expect(teller.records).toBe(130)
  })

  it('is told nothing while it is known to be dead', async () => {
    const { request, entries } = recordedRequest()
    const { teller, timing, clock, batches } = tellerOf(async () => {})
    timing.answered('another', { reach: { rounds: 1 }, took: 1, askedAt: 0, now: 0 })
    timing.failed(peer.id, { askedAt: 0, now: 0 })
    expect(timing.dead(peer.id, clock.now())).toBe(true)
    expect(await teller.tell(peer, await blocks(1), { signal, self, request: () => request })).toEqual([])
    expect(batches).toEqual([])
    expect(entries).toEqual([])
    expect(teller.passedOver).toBe(1)
  })

  it.each([['unreachable', true], ['broken', false]] as const)('is silent when it is %s: %s', async (reason, silent) => {
    const { request } = recordedRequest()
    const { teller, timing } = tellerOf(async () => { throw new KadRequestError(reason, 'no') })
    expect(await teller.tell(peer, await blocks(1), { signal, self, request: () => request })).toEqual([])
    timing.answered('another', { reach: { rounds: 1 }, took: 1, askedAt: 0, now: 0 })
    expect(timing.dead(peer.id, 0)).toBe(silent)
  })
})

it('a block that no peer took is tried three times, a second apart and then two', async () => {
  const clock = new VirtualClock()
  const { request } = recordedRequest()
  const [cid] = await blocks(1)
  const tries: number[] = []
  const announcer = new SweepAnnouncer({
    clock,
    random,
    log,
    self: self.id,
    timing: new PeerTiming(),
    serves: () => true,
    addresses: () => self.addresses,
    joined: async () => true,
    walker: { findClosest: async () => ({ end: 'settled', closest: [peer], asked: 1, answered: 1, failed: 0, passedOver: 0, leftOut: 0, hops: 1, took: 1 }) },
    client: {
      async addProviders () {
        tries.push(clock.now())
        throw new KadRequestError('broken', 'no')
      }
    }
  })
  announcer.start()
  await expect(clock.run(announcer.announce([cid as CID], () => request))).rejects.toMatchObject({ errors: [{ name: 'NoHolderError' }] })
  expect(tries).toEqual([0, 1_000, 3_000])
  await announcer.stop()
  expect(clock.pending).toBe(0)
})
