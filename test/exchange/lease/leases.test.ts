import { createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LEASE_TAG } from '../../../src/exchange/lease/protection.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { addressesOf, deadAddress, disclosureTo, leasesOf, never, node } from './nodes.ts'
import type { Lease, LeaseTarget } from '../../../src/exchange/lease/lease.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { AddressInfo } from 'node:net'

type Target = Omit<LeaseTarget, 'disclosure'>

const OTHER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const id = (libp2p: Libp2p): string => libp2p.peerId.toString()
const targetOf = (libp2p: Libp2p): Target => ({ peer: id(libp2p), addresses: addressesOf(libp2p) })
const acquire = async (leases: ReturnType<typeof leasesOf>, target: Target, signal = never): Promise<Lease> => leases.acquire({ ...target, disclosure: disclosureTo(target.peer) }, { signal })
const closed = async (connection: Connection): Promise<void> => new Promise(resolve => { connection.addEventListener('close', () => { resolve() }) })

async function failure (promise: Promise<unknown>): Promise<FetchError> {
  return promise.then(() => { throw new Error('it should have failed') }, (error: FetchError) => error)
}

/** Accepts connections and says nothing */
async function silentServer (): Promise<{ address: string, accepted: Promise<void>, ended: Promise<void> }> {
  const accepted = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const server = createServer(socket => {
    accepted.resolve()
    socket.on('error', () => {}).on('close', () => { ended.resolve() }).resume()
    onTestFinished(() => { socket.destroy() })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => { server.close() })
  return { address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`, accepted: accepted.promise, ended: ended.promise }
}

describe('a lease', () => {
  it('dials once for all who ask, and closes what it opened 30 s after the last release', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client, { clock })

    const held = await Promise.all(Array.from({ length: 20 }, async () => acquire(leases, targetOf(server))))
    expect(new Set(held.map(({ connection }) => connection.id)).size).toBe(1)
    expect(leases.size).toMatchObject({ peers: 1, leases: 20, dials: 0 })
    expect(client.getConnections()).toHaveLength(1)
    const ending = closed((held[0] as Lease).connection)

    for (const lease of held) {
      lease.release()
      lease.release()
    }
    await clock.advance(29_999)
    expect(leases.size.peers).toBe(1)
    expect(client.getConnections()).toHaveLength(1)
    await clock.advance(1)
    await ending
    expect(client.getConnections()).toHaveLength(0)
    expect(leases.size).toMatchObject({ peers: 0, leases: 0 })
  })

  it('leaves a connection that carries streams, and closes it once they have ended', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    await server.handle('/test/1.0.0', () => {})
    const leases = leasesOf(client, { clock })
    const lease = await acquire(leases, targetOf(server))
    const stream = await lease.connection.newStream('/test/1.0.0')
    const ending = closed(lease.connection)
    lease.release()

    await clock.advance(60_000)
    expect(client.getConnections()).toHaveLength(1)
    expect(leases.size.leases).toBe(0)
    stream.abort(new Error('over'))
    await clock.advance(5_000)
    await ending
    expect(client.getConnections()).toHaveLength(0)
    expect(leases.size.peers).toBe(0)
  })

  it('taken again in time keeps the connection', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client, { clock })
    const first = await acquire(leases, targetOf(server))
    first.release()
    await clock.advance(20_000)
    const second = await acquire(leases, targetOf(server))
    await clock.advance(20_000)

    expect(second.connection).toBe(first.connection)
    expect(second.connection.status).toBe('open')
  })

  it('uses a connection that is open, whatever its address, and leaves it as it was', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const connection = await client.dial(multiaddr(addressesOf(server)[0] ?? ''))
    const leases = leasesOf(client, { clock })
    const lease = await acquire(leases, { peer: id(server), addresses: ['/ip4/10.0.0.1/tcp/1'] })

    expect(lease.connection).toBe(connection)
    lease.release()
    await clock.advance(30_000)
    expect(leases.size.peers).toBe(0)
    expect(connection.status).toBe('open')
  })

  it('uses a connection that the other side opened', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const opened = new Promise<void>(resolve => { client.addEventListener('connection:open', () => { resolve() }, { once: true }) })
    await server.dial(multiaddr(addressesOf(client)[0] ?? ''))
    await opened
    const leases = leasesOf(client, { clock })
    const lease = await acquire(leases, { peer: id(server), addresses: [] })

    expect(lease.connection.direction).toBe('inbound')
    lease.release()
    await clock.advance(30_000)
    expect(lease.connection.status).toBe('open')
  })

  it('leaves open what somebody else uses or values', async () => {
    const clock = new VirtualClock()
    const [client, used, valued] = [await node(), await node(), await node()]
    const leases = leasesOf(client, { clock })
    await used.handle('/test/1', () => {})
    const first = await acquire(leases, targetOf(used))
    const second = await acquire(leases, targetOf(valued))
    const stream = await first.connection.newStream('/test/1')
    await client.peerStore.merge(valued.peerId, { tags: { 'kad-peer': { value: 1 } } })
    first.release()
    second.release()
    await clock.advance(40_000)

    // one is looked at again until its stream has ended
    expect(leases.size).toMatchObject({ peers: 1, leases: 0 })
    expect([first.connection.status, second.connection.status]).toEqual(['open', 'open'])
    stream.abort(new Error('end of test'))
  })

  it('learns from the connection that it has closed, and the next one dials again', async () => {
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client)
    const arrived = new Promise<void>(resolve => { server.addEventListener('connection:open', () => { resolve() }, { once: true }) })
    const first = await acquire(leases, targetOf(server))
    const ending = closed(first.connection)
    await arrived
    await server.hangUp(client.peerId)
    await ending
    const second = await acquire(leases, targetOf(server))

    expect(second.connection).not.toBe(first.connection)
    expect(second.connection.status).toBe('open')
  })
})

describe('waiting for a connection', () => {
  it('ends for each by its own signal, and the dial when the last has left', async () => {
    const client = await node()
    const leases = leasesOf(client)
    const silent = await silentServer()
    const target = { peer: OTHER, addresses: [silent.address] }
    const [first, second] = [new AbortController(), new AbortController()]
    const waiting = [failure(acquire(leases, target, first.signal)), failure(acquire(leases, target, second.signal))]
    await silent.accepted

    first.abort()
    expect(await waiting[0]).toMatchObject({ name: 'FetchError', outcome: 'cancelled' })
    expect(leases.size).toMatchObject({ dials: 1 })
    second.abort()
    expect(await waiting[1]).toMatchObject({ outcome: 'cancelled' })
    await silent.ended
    expect(leases.size).toMatchObject({ dials: 0, backingOff: 0 })
    expect(client.getDialQueue()).toEqual([])
  })

  it('is not needed for an aborted one, nor before start', async () => {
    const client = await node()
    const leases = leasesOf(client)
    expect(await failure(acquire(leases, { peer: OTHER, addresses: [] }, AbortSignal.abort()))).toMatchObject({ outcome: 'cancelled' })
    await leases.stop()
    expect(await failure(acquire(leases, { peer: OTHER, addresses: [] }))).toMatchObject({ outcome: 'cancelled', message: expect.stringMatching(/not running/) as string })
  })

  it('is over as soon as one of the addresses answers, although another says nothing', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const silent = await silentServer()
    const leases = leasesOf(client, { clock })
    const acquiring = acquire(leases, { peer: id(server), addresses: [silent.address, ...addressesOf(server)] })
    await silent.accepted
    await clock.advance(250)

    expect((await acquiring).connection.remotePeer.equals(server.peerId)).toBe(true)
    await silent.ended
    expect(clock.now()).toBe(250)
    expect(client.getConnections()).toHaveLength(1)
  })

  it('brings no connection to somebody else, though dialled without the name', async () => {
    const clock = new VirtualClock()
    const [client, server, stranger] = [await node(), await node(), await node()]
    const silent = await silentServer()
    const leases = leasesOf(client, { clock })
    const acquiring = failure(acquire(leases, { peer: id(server), addresses: [silent.address, ...addressesOf(stranger).map(text => text.replace(/\/p2p\/.*/, ''))] }))
    const opened = new Promise<Connection>(resolve => { client.addEventListener('connection:open', ({ detail }) => { resolve(detail) }, { once: true }) })
    await silent.accepted
    await clock.advance(250)
    const connection = await opened
    await closed(connection)
    await clock.advance(5_000)

    expect(await acquiring).toMatchObject({ outcome: 'unreachable', message: expect.stringMatching(/another peer answers there/) as string })
    expect(connection.remotePeer.equals(stranger.peerId)).toBe(true)
    expect(client.getConnections()).toEqual([])
  })

  it('with addresses that the dial under way does not know goes on when that has failed', async () => {
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client)
    const [wrong, right] = await Promise.allSettled([acquire(leases, { peer: id(server), addresses: [await deadAddress()] }), acquire(leases, targetOf(server))])

    expect([wrong.status, right.status]).toEqual(['rejected', 'fulfilled'])
  })

  it('with stale addresses goes on with those that libp2p knows', async () => {
    const [client, server] = [await node(), await node()]
    await client.peerStore.merge(server.peerId, { multiaddrs: server.getMultiaddrs() })
    const leases = leasesOf(client)

    expect((await acquire(leases, { peer: id(server), addresses: [await deadAddress(), '/ip4/8.8.8.8/udp/4001/quic-v1'] })).connection.status).toBe('open')
  })
})

describe('addresses that somebody else forged into the record of a peer', () => {
  const forged = async (): Promise<string[]> => Promise.all(Array.from({ length: 8 }, async () => (await silentServer()).address))

  it('wait behind the one at which it was reached before', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const leases = leasesOf(client, { clock })
    expect(leases.proven(id(server))).toBe(false)
    const first = await acquire(leases, targetOf(server))
    expect(leases.proven(id(server))).toBe(true)
    first.release()
    await first.connection.close()

    // no time passes: nothing was dialled beside it, and nothing before
    const again = await acquire(leases, { peer: id(server), addresses: await forged() })
    expect(again.connection.remoteAddr.equals(first.connection.remoteAddr)).toBe(true)
    expect(clock.now()).toBe(0)
  })

  it('wait behind those that it signed, though it was never reached from here', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const identified = new Promise<void>(resolve => { client.addEventListener('peer:identify', () => { resolve() }, { once: true }) })
    const met = await client.dial(multiaddr(addressesOf(server)[0] ?? ''))
    await identified
    await met.close()
    const leases = leasesOf(client, { clock })

    expect((await acquire(leases, { peer: id(server), addresses: await forged() })).connection.status).toBe('open')
    expect(clock.now()).toBe(0)
    expect(leases.proven(id(server))).toBe(true)
  })

  it('wait behind those that it signed after it has moved, however many of them libp2p was told', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const client = await node()
    const leases = leasesOf(client)
    const before = await node({ privateKey })
    const first = await acquire(leases, targetOf(before))
    first.release()
    await first.connection.close()
    await before.stop()

    const server = await node({ privateKey })
    const identified = new Promise<void>(resolve => { client.addEventListener('peer:identify', () => { resolve() }, { once: true }) })
    const met = await client.dial(multiaddr(addressesOf(server)[0] ?? ''))
    await identified
    await met.close()
    const { addresses } = await client.peerStore.get(server.peerId)
    // the peer store sorts by text: these come before any port that the system gives out
    const forgeries = Array.from({ length: 40 }, (_, i) => ({ multiaddr: multiaddr(`/ip4/127.0.0.0/tcp/${10_000 + i}`), isCertified: false }))
    await client.peerStore.patch(server.peerId, { addresses: [...forgeries, ...addresses] })

    expect((await acquire(leases, { peer: id(server), addresses: [] })).connection.status).toBe('open')
  })

  it('prove nothing by being named, neither to us nor to libp2p', async () => {
    const client = await node()
    const leases = leasesOf(client)
    await client.peerStore.merge(peerIdFromString(OTHER), { multiaddrs: [multiaddr(await deadAddress())] })
    await failure(acquire(leases, { peer: OTHER, addresses: [await deadAddress()] }))
    expect(leases.proven(OTHER)).toBe(false)
  })

  it('and silent for two seconds are not waited for again by who asks next', async () => {
    const clock = new VirtualClock()
    const leases = leasesOf(await node(), { clock })
    const silent = await silentServer()
    const target = { peer: OTHER, addresses: [silent.address] }
    const patience = new AbortController()
    const waiting = failure(acquire(leases, target, patience.signal))
    await silent.accepted
    await clock.advance(2_000)
    patience.abort()
    expect(await waiting).toMatchObject({ outcome: 'cancelled' })
    await silent.ended
    expect((await failure(acquire(leases, target))).message).toMatch(/left alone/)
  })
})

describe('a peer id alone', () => {
  it('is dialled where libp2p knows it, and looked for nowhere else', async () => {
    let asked = 0
    const findPeer = async (): Promise<never> => {
      asked++
      throw new Error('not found')
    }
    const server = await node()
    const client = await node({ peerRouters: [() => ({ findPeer, getClosestPeers: async function * () {} })] })
    const leases = leasesOf(client)

    expect(await failure(acquire(leases, { peer: id(server), addresses: [] }))).toMatchObject({ outcome: 'unreachable', message: expect.stringMatching(/no address of it is known/) as string })
    await client.peerStore.merge(server.peerId, { multiaddrs: server.getMultiaddrs() })
    expect((await acquire(leases, { peer: id(server), addresses: [] })).connection.status).toBe('open')
    expect(asked).toBe(0)
  })

  it('does not open a private network by what libp2p has learnt', async () => {
    const [client, server] = [await node(), await node()]
    await client.peerStore.merge(server.peerId, { multiaddrs: server.getMultiaddrs() })
    const leases = leasesOf(client, { guard: { policy: addressPolicy() } })

    expect(await failure(acquire(leases, { peer: id(server), addresses: [] }))).toMatchObject({ outcome: 'unreachable', cause: { name: 'AddressRefusedError' } })

    // a line of a story has 300 characters: what can be done about it is among them, also where addresses end in the name of the peer
    const { message } = await failure(acquire(leases, { peer: id(server), addresses: addressesOf(server).map(address => `${address.replace(/\/p2p\/.*$/, '')}/p2p/${id(server)}`) }))
    expect(message).toMatch(/among the allowed addresses \(allowAddresses, --allow\)/)
    expect(message.indexOf('--allow')).toBeLessThan(290)
    expect(message.split(id(server))).toHaveLength(2)
    expect(client.getConnections()).toEqual([])
  })

  it.each(['nonsense', '', `${OTHER}x`, '/ip4/127.0.0.1'])('that is none, %j, is an error', async peer => {
    const leases = leasesOf(await node())
    expect(await failure(acquire(leases, { peer, addresses: [] }))).toMatchObject({ name: 'FetchError', outcome: 'unreachable', message: expect.stringMatching(/is no peer id/) as string })
    expect(leases.size.peers).toBe(0)
  })

  it('of this node itself is not dialled', async () => {
    const client = await node()
    expect(await failure(acquire(leasesOf(client), targetOf(client)))).toMatchObject({ outcome: 'unreachable', message: expect.stringMatching(/this node itself/) as string })
  })
})

describe('addresses that cannot be dialled here', () => {
  it('are skipped with a reason and held against nobody', async () => {
    const leases = leasesOf(await node())
    const error = await failure(acquire(leases, { peer: OTHER, addresses: ['/ip4/8.8.8.8/udp/4001/quic-v1', '/ip4/8.8.8.8/tcp/443/tls/sni/peer.example/ws'] }))

    expect(error).toMatchObject({ outcome: 'unreachable', message: expect.stringMatching(/QUIC, for which this node has no transport.*whatever its name resolves to next/) as string })
    expect(leases.size).toMatchObject({ backingOff: 0 })
  })

  it('because nobody listens there back off, and the next one is told', async () => {
    const clock = new VirtualClock()
    const leases = leasesOf(await node(), { clock })
    const target = { peer: OTHER, addresses: [await deadAddress()] }

    expect((await failure(acquire(leases, target))).message).toMatch(/ECONNREFUSED/)
    expect((await failure(acquire(leases, target))).message).toMatch(/left alone/)
    await clock.advance(1_000)
    expect((await failure(acquire(leases, target))).message).toMatch(/ECONNREFUSED/)
  })
})

describe('limits', () => {
  it('of leases on one peer and of peers are errors of ours; who is used by nobody gives way', async () => {
    const [client, one, two, three] = [await node(), await node(), await node(), await node()]
    const leases = leasesOf(client, { maxLeasesPerPeer: 2, maxPeers: 2 })
    const first = await acquire(leases, targetOf(one))
    await acquire(leases, targetOf(one))
    const third = await acquire(leases, targetOf(two))

    expect(await failure(acquire(leases, targetOf(one)))).toMatchObject({ outcome: 'overloaded' })
    expect(await failure(acquire(leases, targetOf(three)))).toMatchObject({ outcome: 'overloaded' })
    first.release()
    await acquire(leases, targetOf(one))
    third.release()
    const ending = closed(third.connection)
    await acquire(leases, targetOf(three))
    await ending
    expect(leases.size).toMatchObject({ peers: 2, leases: 3 })
  })

  it('of dials at a time are errors of ours', async () => {
    const client = await node()
    const leases = leasesOf(client, { maxDials: 1 })
    const silent = await silentServer()
    const controller = new AbortController()
    const first = failure(acquire(leases, { peer: OTHER, addresses: [silent.address] }, controller.signal))
    await silent.accepted

    expect(await failure(acquire(leases, targetOf(await node())))).toMatchObject({ outcome: 'overloaded' })
    controller.abort()
    expect(await first).toMatchObject({ outcome: 'cancelled' })
  })
})

describe('pruning', () => {
  /** Connects `count` more nodes than the client's limit has room for, and waits until libp2p has pruned */
  async function crowd (client: Libp2p, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const other = await node()
      const pruned = new Promise<void>(resolve => { client.addEventListener('connection:prune', () => { resolve() }, { once: true }) })
      await client.dial(multiaddr(addressesOf(other)[0] ?? '')).catch(() => {})
      await pruned
    }
  }

  it('takes everybody else first, the connection of a lease from its first moment not', async () => {
    const clock = new VirtualClock()
    const [client, old, server] = [await node({ connectionManager: { maxConnections: 1 } }), await node(), await node()]
    const leases = leasesOf(client, { clock })
    const before = await client.dial(multiaddr(addressesOf(old)[0] ?? ''))
    const pruned = closed(before)

    const lease = await acquire(leases, targetOf(server))
    await pruned
    await crowd(client, 2)
    expect(lease.connection.status).toBe('open')
    expect((await client.peerStore.get(server.peerId)).tags.has(LEASE_TAG)).toBe(true)

    // it is held for hours: the tag is set again before it is void
    await clock.advance(3_600_000)
    expect(lease.connection.status).toBe('open')
    lease.release()
    await leases.stop()
    expect((await client.peerStore.get(server.peerId)).tags.has(LEASE_TAG)).toBe(false)
  })

  it('may take it again once the lease has expired', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const connection = await client.dial(multiaddr(addressesOf(server)[0] ?? ''))
    const leases = leasesOf(client, { clock })
    const lease = await acquire(leases, targetOf(server))
    lease.release()
    await clock.advance(30_000)

    expect((await client.peerStore.get(server.peerId)).tags.has(LEASE_TAG)).toBe(false)
    expect(connection.status).toBe('open')
  })

  it('is prevented at the price of a moment when the peer store hangs', async () => {
    const clock = new VirtualClock()
    const [client, server] = [await node(), await node()]
    const hang = async (): Promise<never> => new Promise<never>(() => {})
    const leases = leasesOf({ peerId: client.peerId, dial: client.dial.bind(client), getConnections: client.getConnections.bind(client), peerStore: { ...client.peerStore, merge: hang, get: hang } as unknown as Libp2p['peerStore'] }, { clock })
    const acquiring = acquire(leases, targetOf(server))
    // once for the tag, and a moment for what it knows
    await clock.advance(1_000)
    await clock.advance(250)

    expect((await acquiring).connection.status).toBe('open')
    const stopping = leases.stop()
    await clock.advance(2_000)
    await stopping
  })
})

describe('stop', () => {
  it('ends what waits, closes what is ours and unused, and leaves no timer', async () => {
    const clock = new VirtualClock()
    const [client, server, other] = [await node(), await node(), await node()]
    const silent = await silentServer()
    const leases = leasesOf(client, { clock })
    const foreign = await client.dial(multiaddr(addressesOf(other)[0] ?? ''))
    const lease = await acquire(leases, targetOf(server))
    await acquire(leases, targetOf(other))
    const waiting = failure(acquire(leases, { peer: OTHER, addresses: [silent.address] }))
    await silent.accepted

    await leases.stop()
    await leases.stop()
    expect(await waiting).toMatchObject({ outcome: 'cancelled' })
    await silent.ended
    lease.release()
    expect([lease.connection.status === 'open', foreign.status]).toEqual([false, 'open'])
    expect(leases.size).toEqual({ peers: 0, leases: 0, dials: 0, backingOff: 0 })
    expect(clock.pending).toBe(0)
    for (const peer of [OTHER, id(server), id(other)]) {
      expect((await client.peerStore.get(peerIdFromString(peer))).tags.has(LEASE_TAG)).toBe(false)
    }

    leases.start()
    expect((await acquire(leases, targetOf(server))).connection.status).toBe('open')
  })
})
