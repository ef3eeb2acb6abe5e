import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { simulateWalk, simulatedNet } from './support/simulated-walk.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { Places, diverse, networksUnder } from '../../../src/discovery/kad/diverse.ts'
import { compareDistance } from '../../../src/discovery/kad/kad-key.ts'
import { Walk } from '../../../src/discovery/kad/walk.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { SimulatedPeer } from './support/simulated-walk.ts'
import type { NetworksOf } from '../../../src/discovery/kad/diverse.ts'
import type { PeerTimingView } from '../../../src/discovery/kad/walk.ts'

const patient: PeerTimingView = { slowAfter: () => 200, patience: () => 400, dead: () => false, silentShare: 0.25 }
const params = { k: 20, concurrency: 40, maxAsked: 200 }
const networksOf = networksUnder(addressPolicy({ allow: ['10.1.0.0/16'] }))

function nearest <T extends KadPeer> (peers: readonly T[], target: Uint8Array, count: number): T[] {
  return peers.toSorted((a, b) => compareDistance(target, a.key, b.key)).slice(0, count)
}

const ids = (peers: readonly KadPeer[]): string[] => peers.map(({ id }) => id)

/** Each in a /24 of its own, but for those whose address is given */
function addressed (byId: Map<string, SimulatedPeer>): Map<string, SimulatedPeer> {
  const result = new Map([...byId.values()].map((peer, i) => [peer.id, { ...peer, addresses: [`/ip4/45.${i >> 8}.${i & 255}.7/tcp/4001`] }] as const))
  return new Map([...result].map(([id, peer]) => [id, { ...peer, closer: () => (byId.get(id) as SimulatedPeer).closer().map(({ id }) => result.get(id) as KadPeer) }]))
}

/** Peers with keys that have their first bytes in common with the target */
function beside (target: Uint8Array, count: number, bytes: number, random = seededRandom(77)): Array<Omit<SimulatedPeer, 'addresses' | 'closer'>> {
  return Array.from({ length: count }, () => {
    const { id, key } = madeUpPeer(random)
    return { id, key: target.map((byte, i) => i < bytes ? byte : key[i] as number), delay: 5 }
  })
}

describe('the networks of a peer', () => {
  it('are a /24, a /48 and the operator of a name, each once', () => {
    const networks = (addresses: string[]): readonly string[] => networksOf({ addresses })

    expect(networks(['/ip4/45.1.2.5/tcp/4001', '/ip4/45.1.2.9/udp/4001/quic-v1', '/ip6/2606:4700:1:2::1/tcp/4001'])).toEqual(['ip4:45.1.2.0/24', 'ip6:2606:4700:1::/48'])
    expect(networks(['/ip4/45.1.2.3/tcp/4001/p2p/12D3KooWKAWxnjBiWY9utMXNCrXiga94GCGJw5XaYGfchDVmbHob'])).toEqual(['ip4:45.1.2.0/24'])
    expect(networks(['/dns4/a.example.com/tcp/443/tls/ws'])).toEqual(['host:a.example.com', 'operator:example.com'])
  })

  it('are none on loopback and where an operator allowed them', () => {
    expect(networksOf({ addresses: ['/ip4/127.0.0.1/tcp/4001', '/ip4/10.1.2.3/tcp/4001'] })).toEqual([])
  })
})

describe('diversity', () => {
  it('leaves at most so many of each network, in their order, and only those out who find no place', () => {
    const peer = fc.array(fc.nat(6), { maxLength: 3 }).map(nets => ({ addresses: nets.map(net => `/ip4/45.0.${net}.1/tcp/1`) }))
    fc.assert(fc.property(fc.array(peer, { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (peers, max) => {
      const kept = diverse(peers, networksOf, max)
      const count = (of: typeof peers, network: string): number => of.filter(each => networksOf(each).includes(network)).length
      const places = new Places(max)

      for (const network of new Set(peers.flatMap(networksOf))) {
        expect(count(kept, network)).toBeLessThanOrEqual(max)
      }
      expect(peers.filter(each => places.take(networksOf(each)))).toEqual(kept)
      // whoever was left out has a network that others filled
      for (const out of peers.filter(each => !kept.includes(each))) {
        expect(networksOf(out).some(network => count(kept, network) === max)).toBe(true)
      }
    }))
  })

  it('does not let forty peers of one /24 hide the honest ones', () => {
    fc.assert(fc.property(fc.integer(), fc.constantFrom(0, 0.3), (seed, dead) => {
      const net = simulatedNet({ count: 150, k: 20, seed, dead })
      const { target } = net
      const byId = addressed(net.byId)
      const honest = [...byId.values()].filter(({ fails }) => fails == null)
      const sybils = beside(target, 40, 3).map((sybil, i): SimulatedPeer => ({ ...sybil, addresses: [`/ip4/91.0.0.${i + 1}/tcp/4001`], closer: () => nearest(sybils, target, 20) }))
      sybils.forEach(sybil => { byId.set(sybil.id, sybil) })
      // half of the honest have been told of them, and name no others than them: they are nearer
      const told = new Map([...byId.values()].map((peer, i) => [peer.id, i % 2 === 0 ? peer : { ...peer, closer: () => nearest([...peer.closer(), ...sybils], target, 20) }]))
      const table = [...net.table.map(({ id }) => byId.get(id) as KadPeer), ...sybils]
      const walk = (of: NetworksOf): ReturnType<typeof simulateWalk> => simulateWalk(target, table, id => told.get(id), params, patient, of)
      const found = walk(networksOf)
      const holders = ids(nearest(honest, target, 18))

      expect(found.end).toBe('settled')
      expect(found.closest.filter(id => sybils.some(sybil => sybil.id === id))).toEqual(ids(nearest(sybils, target, 2)))
      expect(found.closest.filter(id => holders.includes(id)).length).toBeGreaterThanOrEqual(dead === 0 ? 18 : 17)
      expect(found.asked.filter(id => sybils.some(sybil => sybil.id === id)).length).toBeLessThanOrEqual(8)
      expect(found.leftOut).toBeGreaterThanOrEqual(18)
      // without, nobody else is found
      expect(walk(() => []).closest.filter(id => holders.includes(id))).toEqual([])
    }), { numRuns: 20 })
  })

  it('does not let those who say that they are everywhere take the places of those who are there', () => {
    const random = seededRandom(5)
    const target = madeUpPeer(random).key
    const honest = Array.from({ length: 8 }, (_, i) => madeUpPeer(random, [`/ip4/45.0.${i}.1/tcp/4001`]))
    const elsewhere = honest.flatMap(({ addresses }) => addresses)
    const liars = beside(target, 6, 3).map(({ id, key }, i): KadPeer => ({ id, key, addresses: [...elsewhere, `/ip4/91.0.0.${i}/tcp/4001`] }))
    const walk = new Walk(target, { k: 8, concurrency: 20, maxAsked: 50 }, patient, networksOf)
    walk.heard([...honest, ...liars])

    // two of them take the places of all: nobody knows yet
    expect(ids(walk.next(0))).toEqual(ids(nearest(liars, target, 2)))
    nearest(liars, target, 2).forEach(({ id }, i) => {
      walk.reached(id, 10, { rounds: 2, dialled: 10, from: `/ip4/91.0.0.${i}/tcp/4001/p2p/${id}` })
    })
    expect(new Set(ids(walk.next(10)))).toEqual(new Set(ids(honest)))
    honest.forEach(({ id }) => { walk.answered(id) })
    nearest(liars, target, 2).forEach(({ id }) => { walk.answered(id) })
    expect(walk.ended(20)).toBe('settled')
    expect(ids(walk.closest()).slice(0, 2)).toEqual(ids(nearest(liars, target, 2)))
    expect(walk.closest()).toHaveLength(8)
    expect(walk.without).toEqual({ passedOver: 0, leftOut: 4 })
  })

  it('lets those who cannot be reached take nobody\'s place for longer than is usual', () => {
    const random = seededRandom(6)
    const target = madeUpPeer(random).key
    const honest = Array.from({ length: 4 }, (_, i) => madeUpPeer(random, [`/ip4/45.0.${i}.1/tcp/4001`]))
    const forged = beside(target, 2, 3).map(({ id, key }): KadPeer => ({ id, key, addresses: honest.flatMap(({ addresses }) => addresses) }))
    const walk = new Walk(target, { k: 4, concurrency: 20, maxAsked: 50 }, patient, networksOf)
    walk.heard([...honest, ...forged])

    expect(new Set(ids(walk.next(0)))).toEqual(new Set(ids(forged)))
    expect(walk.next(199)).toEqual([])
    expect(new Set(ids(walk.next(200)))).toEqual(new Set(ids(honest)))
    honest.forEach(({ id }) => { walk.answered(id) })
    expect(walk.ended(399)).toBeUndefined()
    expect(walk.ended(400)).toBe('settled')
    expect(walk.closest()).toEqual(nearest(honest, target, 4))
  })

  it('asks no more than eight of a network, however near those are that they name', () => {
    const random = seededRandom(7)
    const target = madeUpPeer(random).key
    let made = 0
    const byId = new Map<string, SimulatedPeer>()
    const make = (): SimulatedPeer => {
      // nearer with each answer
      const [{ id, key }] = beside(target, 1, 2 + Math.floor(made++ / 8), random) as [SimulatedPeer]
      const peer: SimulatedPeer = { id, key, delay: 50, addresses: [`/ip4/91.0.0.${made & 255}/tcp/4001`], closer: () => [make(), make(), make()] }
      byId.set(id, peer)
      return peer
    }
    const honest = Array.from({ length: 20 }, (_, i): SimulatedPeer => ({ ...madeUpPeer(random, [`/ip4/45.0.${i}.1/tcp/4001`]), delay: 100, closer: () => [] }))
    honest.forEach(peer => { byId.set(peer.id, peer) })
    const walk = simulateWalk(target, [...honest, make(), make()], id => byId.get(id), params, patient, networksOf)

    expect(walk.end).toBe('settled')
    expect(walk.asked.filter(id => !honest.some(peer => peer.id === id))).toHaveLength(8)
    expect(walk.closest.filter(id => honest.some(peer => peer.id === id))).toHaveLength(18)
    expect(walk.at).toBeLessThan(500)
  })

  it('ends, asks nobody twice and never too many, whoever shares what with whom', () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 30 }), fc.constantFrom(0, 0.4), fc.constantFrom(2, 30), fc.constantFrom(15, 200), (seed, networks, dead, concurrency, maxAsked) => {
      const net = simulatedNet({ count: 100, k: 8, seed, dead })
      const home = new Map([...net.byId.keys()].map((id, i) => [id, [`/ip4/45.0.${i % networks}.1/tcp/1`, ...(i % 3 === 0 ? [`/ip6/2606:4700:${i % networks}::1/tcp/1`] : [])]]))
      const at = (peer: KadPeer): KadPeer => ({ ...peer, addresses: home.get(peer.id) ?? [] })
      const peer = (id: string): SimulatedPeer | undefined => {
        const found = net.byId.get(id)
        return found == null ? undefined : { ...found, ...(found.fails === 'never' ? { fails: 9_000 } : {}), closer: () => found.closer().map(at) }
      }
      const run = (): ReturnType<typeof simulateWalk> => simulateWalk(net.target, net.table.map(at), peer, { k: 8, concurrency, maxAsked }, patient, networksOf)
      const walk = run()
      const places = new Places()

      expect(new Set(walk.asked).size).toBe(walk.asked.length)
      expect(walk.asked.length).toBeLessThanOrEqual(maxAsked)
      expect(walk.busiest).toBeLessThanOrEqual(concurrency)
      expect(walk.closest.every(id => places.take(networksOf({ addresses: home.get(id) ?? [] })))).toBe(true)
      expect(run()).toEqual(walk)
    }), { numRuns: 60 })
  })
})
