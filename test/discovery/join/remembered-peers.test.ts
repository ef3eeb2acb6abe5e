import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RememberedPeers, rememberedPrefix } from '../../../src/discovery/join/remembered-peers.ts'
import { usableOver } from '../../../src/discovery/usable-address.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { peerId } from './peer-ids.ts'

const DAY = 86_400_000

function setup (allow: string[] = []): { peers: RememberedPeers, clock: VirtualClock, pass (ms: number): Promise<void>, ready (): string[] } {
  const clock = new VirtualClock()
  const policy = addressPolicy({ allow })
  const peers = new RememberedPeers(clock, { policy, usable: usableOver(policy) })
  return { peers, clock, pass: async ms => clock.run(clock.sleep(ms)), ready: () => peers.ready().map(({ id }) => id) }
}

const address = (n: number): string => `/ip4/8.${n >> 8}.${n & 255}.1/tcp/4001`
const entriesOf = (peers: RememberedPeers): object[] => peers.takeDirty(1_000).map(([, entry]) => entry).filter(entry => entry != null)

describe('peers that are remembered', () => {
  it('come back in the order in which they last spoke, with the address that led to them first', async () => {
    const { peers, pass, ready } = setup()
    for (const n of [1, 2, 3]) {
      peers.spoke(peerId(n), [address(n)])
      await pass(1_000)
    }
    peers.spoke(peerId(1), ['/ip4/9.9.9.9/tcp/4001', address(1)])

    expect(ready()).toEqual([1, 3, 2].map(peerId))
    expect(peers.ready()[0]?.addresses).toEqual(['/ip4/9.9.9.9/tcp/4001', address(1)])
  })

  it('are at most 128, those that spoke last, and at most four of a neighbourhood', async () => {
    const { peers, pass, ready } = setup()
    for (let n = 0; n < 200; n++) {
      peers.spoke(peerId(n), [address(n)])
      await pass(1)
    }
    expect(peers.size).toBe(128)
    expect(ready()).toEqual(Array.from({ length: 128 }, (_, i) => peerId(199 - i)))

    for (let n = 1_000; n < 1_050; n++) {
      peers.spoke(peerId(n), [`/ip4/7.7.7.${n - 999}/tcp/4001`])
      await pass(1)
    }
    expect(ready().filter(id => peers.ready().find(peer => peer.id === id)?.addresses[0]?.includes('/7.7.7.'))).toEqual([1_049, 1_048, 1_047, 1_046].map(peerId))
  })

  it('share no neighbourhood on a loopback or a LAN that was named: all of them are there', () => {
    const { peers } = setup(['10.0.0.0/8'])
    for (let n = 1; n <= 20; n++) {
      peers.spoke(peerId(n), [`/ip4/10.0.0.${n}/tcp/4001`])
    }
    expect(peers.size).toBe(20)
  })

  it('are tried one of each neighbourhood before the second of any', async () => {
    const { peers, pass, ready } = setup()
    for (const [n, ip] of [[1, '7.7.7.1'], [2, '6.6.6.6'], [3, '7.7.7.2'], [4, '7.7.7.3']] as const) {
      peers.spoke(peerId(n), [`/ip4/${ip}/tcp/4001`])
      await pass(1)
    }
    expect(ready()).toEqual([4, 2, 3, 1].map(peerId))
  })

  it('that could not be reached are left alone for a minute, then two, then four, and what answers is as good as new', async () => {
    const { peers, pass, ready } = setup()
    peers.spoke(peerId(1), [address(1)])
    const waited: number[] = []
    for (let i = 0; i < 9; i++) {
      peers.failed(peerId(1), false)
      let ms = 0
      while (ready().length === 0) {
        await pass(60_000)
        ms += 60_000
      }
      waited.push(ms / 60_000)
    }
    expect(waited).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
    expect(peers.stale(peerId(1))).toBe(true)
    peers.spoke(peerId(1), [address(1)])
    expect(peers.stale(peerId(1))).toBe(false)
    peers.failed(peerId(1), false)
    await pass(60_000)
    expect(ready()).toHaveLength(1)
    peers.failed(peerId(1), true)
    expect(peers.size).toBe(0)
    expect(peers.takeDirty(10)).toEqual([[peerId(1), undefined]])
  })

  it('are worth nothing two weeks after they spoke', async () => {
    const { peers, pass, ready } = setup()
    peers.spoke(peerId(1), [address(1)])
    await pass(14 * DAY)
    expect(ready()).toHaveLength(1)
    await pass(1)
    expect(ready()).toHaveLength(0)
  })

  it('have four addresses at most, none that may not be dialled or leads nowhere', () => {
    const { peers } = setup()
    peers.spoke(peerId(1), ['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.1/tcp/4001', '/dnsaddr/x.example', `/dns4/${'x'.repeat(600)}/tcp/4001`, ...Array.from({ length: 9 }, (_, n) => address(n))])
    peers.spoke(peerId(2), ['/ip4/192.168.0.1/tcp/4001'])
    expect(peers.ready()).toMatchObject([{ id: peerId(1), addresses: [0, 1, 2, 3].map(address) }])
  })

  it('are kept, and not written for each answer', async () => {
    const { peers, pass, clock } = setup()
    peers.spoke(peerId(1), [address(1)])
    expect(peers.takeDirty(10)).toEqual([[peerId(1), { id: peerId(1), at: clock.wall(), addresses: [address(1)] }]])
    expect(peers.stale(peerId(1))).toBe(false)
    await pass(600_001)
    expect(peers.stale(peerId(1))).toBe(true)
    peers.spoke(peerId(1), [address(1)])
    const [entry] = entriesOf(peers)

    const { peers: later, pass: passLater } = setup()
    await passLater(clock.now())
    later.restore(entry)
    later.settle()
    expect(later.ready()).toEqual(peers.ready())
    peers.giveBack([peerId(1)])
    expect(peers.takeDirty(10)).toHaveLength(1)
  })

  it('are written anew when the clock was a year ahead while they spoke', () => {
    const { clock } = setup()
    let ahead = 365 * DAY
    const policy = addressPolicy()
    const peers = new RememberedPeers({ now: () => clock.now(), wall: () => clock.wall() + ahead }, { policy, usable: usableOver(policy) })
    peers.spoke(peerId(1), [address(1)])
    expect(peers.stale(peerId(1))).toBe(false)
    ahead = 0
    expect(peers.stale(peerId(1))).toBe(true)
  })

  it('of another network are others', () => {
    expect(rememberedPrefix('/a/kad/1.0.0')).not.toBe(rememberedPrefix('/b/kad/1.0.0'))
    expect(rememberedPrefix('/a/kad/1.0.0')).not.toContain('/a/')
  })

  it.each([
    ['nothing', undefined], ['a number', 7], ['a name that is no peer', { id: 'nobody', at: 0, addresses: [] }], ['no time', { id: peerId(1), addresses: [address(1)] }],
    ['a time beyond all', { id: peerId(1), at: Infinity, addresses: [address(1)] }], ['no addresses', { id: peerId(1), at: 0, addresses: 'x' }], ['a long name', { id: '1'.repeat(9_999), at: 0, addresses: [] }]
  ])('%s is no peer', (_, stored) => {
    expect(() => { setup().peers.restore(stored) }).toThrow()
  })

  it.each([
    ['too old', (wall: number) => ({ at: wall - 14 * DAY - 1, addresses: [address(1)] })],
    ['from the future', (wall: number) => ({ at: wall + DAY, addresses: [address(1)] })],
    ['private by now', (wall: number) => ({ at: wall, addresses: ['/ip4/10.0.0.1/tcp/4001'] })],
    ['garbage', (wall: number) => ({ at: wall, addresses: [1, null, '/ip4/999.1.1.1/tcp/1', 'http://x', '/'] })]
  ])('what is %s is forgotten in the store too', (_, stored) => {
    const { peers, clock } = setup()
    peers.restore({ id: peerId(1), ...stored(clock.wall()) })
    expect(peers.size).toBe(0)
    expect(peers.takeDirty(10)).toEqual([[peerId(1), undefined]])
  })

  it('what was learnt since the start counts for more than what was stored', () => {
    const { peers, clock } = setup()
    peers.spoke(peerId(1), [address(1)])
    peers.restore({ id: peerId(1), at: clock.wall() - DAY, addresses: [address(2)] })
    expect(peers.ready()[0]?.addresses).toEqual([address(1)])
  })

  it('whatever comes, the bounds hold, and what is stored is what is there', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ n: fc.nat(300), net: fc.nat(40), what: fc.constantFrom('spoke', 'failed', 'gone'), after: fc.nat(100_000) }), { maxLength: 400 }), async steps => {
      const { peers, pass } = setup()
      const stored = new Map<string, object | undefined>()
      for (const { n, net, what, after } of steps) {
        if (what === 'spoke') {
          peers.spoke(peerId(n), [`/ip4/8.8.${net}.${1 + n % 250}/tcp/4001`])
        } else {
          peers.failed(peerId(n), what === 'gone')
        }
        await pass(after)
      }
      peers.takeDirty(10_000).forEach(([id, entry]) => stored.set(id, entry))
      expect(peers.size).toBeLessThanOrEqual(128)
      expect([...stored.values()].filter(entry => entry != null)).toHaveLength(peers.size)
      await pass(3_600_000)
      expect(peers.ready().map(({ id }) => id).sort()).toEqual([...stored].filter(([, entry]) => entry != null).map(([id]) => id).sort())
    }), { numRuns: 50 })
  })
})
