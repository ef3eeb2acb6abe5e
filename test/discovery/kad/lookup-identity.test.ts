import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { beforeAll, describe, expect, it } from 'vitest'
import { peerKey } from '../../../src/discovery/kad/kad-key.ts'
import { LookupIdentity } from '../../../src/discovery/kad/lookup-identity.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { CreateLookupNode } from '../../../src/discovery/kad/lookup-identity.ts'

const KEY = new Uint8Array(34)
let peer: KadPeer

beforeAll(async () => {
  const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
  peer = { id, key: peerKey(id), addresses: ['/ip4/127.0.0.1/tcp/1'] }
})

interface World {
  readonly clock: VirtualClock
  readonly identity: LookupIdentity
  /** What was made, and what was ended */
  readonly made: string[]
  readonly ended: string[]
  /** Asks somebody, under whichever identity there is, and ends when he has answered or not */
  ask (): Promise<string>
}

function world (init: { create?: CreateLookupNode, dial?: () => Promise<never> } = {}): World {
  const clock = new VirtualClock()
  const [made, ended]: [string[], string[]] = [[], []]
  const create: CreateLookupNode = async () => {
    const self = `identity ${made.push('') - 1}`
    made[made.length - 1] = self
    return {
      self,
      connections: { getConnections: () => [], openConnection: async () => init.dial == null ? Promise.reject(new Error('Nobody is there')) : init.dial() },
      stop: async () => { ended.push(self) }
    }
  }
  const identity = new LookupIdentity({ clock, logger: silentLogger, create: 'create' in init ? init.create : create })
  identity.start()
  const { signal } = new AbortController()
  return { clock, identity, made, ended, ask: async () => identity.findNode(peer, KEY, undefined, { signal }).then(() => 'answered', (err: Error) => err.message) }
}

describe('an identity for lookups', () => {
  it('is made when it is needed, and is one for all that is looked up together', async () => {
    const w = world()
    expect(w.made).toEqual([])
    expect(await Promise.all([w.ask(), w.ask(), w.ask()])).toEqual(Array(3).fill(expect.stringContaining('cannot be reached: Nobody is there')))
    expect([w.made, w.ended]).toEqual([['identity 0'], []])
  })

  it('is forgotten when it has rested for a minute', async () => {
    const w = world()
    await w.ask()
    await w.clock.advance(59_000)
    await w.ask()
    await w.clock.advance(59_000)
    expect(w.ended).toEqual([])
    await w.clock.advance(1_000)
    expect(w.ended).toEqual(['identity 0'])
    await w.ask()
    expect(w.made).toEqual(['identity 0', 'identity 1'])
  })

  it('is replaced after an hour, however busy it is, and ends when those who use it have', async () => {
    let answer: () => void = () => {}
    let hold = false
    const w = world({ dial: async () => hold ? new Promise<never>((_resolve, reject) => { answer = () => { reject(new Error('late')) } }) : Promise.reject(new Error('Nobody is there')) })
    for (let at = 0; at < 119; at++) {
      await w.ask()
      await w.clock.advance(30_000)
    }
    hold = true
    const last = w.ask()
    await w.clock.advance(0)
    hold = false
    await w.clock.advance(30_000)
    await w.ask()
    expect([w.made, w.ended]).toEqual([['identity 0', 'identity 1'], []])
    answer()
    await last
    expect(w.ended).toEqual(['identity 0'])
    // and the newer one rests in its own time
    await w.clock.advance(59_000)
    expect(w.ended).toHaveLength(1)
    await w.clock.advance(1_000)
    expect(w.ended).toEqual(['identity 0', 'identity 1'])
  })

  it('does not survive the stop, nor does one that is being made', async () => {
    const w = world()
    await w.ask()
    await w.identity.stop()
    expect([w.ended, w.clock.pending]).toEqual([['identity 0'], 0])
    expect(await w.ask()).toBe('Nothing is looked up any more')

    const node = Promise.withResolvers<Awaited<ReturnType<CreateLookupNode>>>()
    let stopped = 0
    const late = world({ create: async () => node.promise })
    const asking = late.ask()
    await late.clock.advance(0)
    const stopping = late.identity.stop()
    node.resolve({ self: 'late', connections: { getConnections: () => [], openConnection: async () => Promise.reject(new Error('no')) }, stop: async () => { stopped++ } })
    await late.clock.run(stopping)
    await late.clock.run(asking)
    expect([stopped, late.clock.pending]).toEqual([1, 0])
  })

  it('is not waited for longer than 5 s, and one that comes later ends at once', async () => {
    const node = Promise.withResolvers<Awaited<ReturnType<CreateLookupNode>>>()
    let stopped = 0
    const w = world({ create: async () => node.promise })
    expect(await w.clock.run(w.ask())).toContain('No identity for lookups could be made')
    expect(w.clock.now()).toBe(5_000)
    node.resolve({ self: 'late', connections: { getConnections: () => [], openConnection: async () => Promise.reject(new Error('no')) }, stop: async () => { stopped++ } })
    await w.clock.advance(0)
    expect(stopped).toBe(1)
  })

  it('is tried anew after a failure, and a stop that hangs holds up nobody', async () => {
    let tries = 0
    const w = world({
      create: async () => {
        if (tries++ === 0) {
          throw new Error('no more ports')
        }
        return { self: 'second', connections: { getConnections: () => [], openConnection: async () => Promise.reject(new Error('Nobody is there')) }, stop: async () => new Promise<never>(() => {}) }
      }
    })
    expect(await w.ask()).toContain('no more ports')
    expect(await w.ask()).toContain('Nobody is there')
    await w.clock.run(w.identity.stop())
    expect(w.clock.now()).toBe(2_000)
  })

  it('is not the node\'s own where there is no other: nobody is asked, and nothing disclosed as sent', async () => {
    const w = world({ create: undefined })
    const { request, entries } = recordedRequest()
    const disclosure = request.disclose({ observer: `p2p:${peer.id}`, form: 'multihash', transport: 'dht', audience: 'one' })
    await expect(w.identity.getProviders(peer, KEY, disclosure, { signal: new AbortController().signal })).rejects.toMatchObject({ name: 'KadRequestError', reason: 'declined', message: expect.stringContaining('lookupNode') as string })
    expect(entries.map(({ state }) => state)).toEqual(['not-sent'])
    await expect(w.identity.addProviders()).rejects.toMatchObject({ reason: 'declined' })
  })
})
