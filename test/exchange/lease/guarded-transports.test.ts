import { createServer } from 'node:https'
import { identify } from '@libp2p/identify'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { AddressGuard } from '../../../src/exchange/lease/address-guard.ts'
import { addressGater, guardedTransports } from '../../../src/exchange/lease/guarded-transports-egress.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { cert, key } from '../http/certificate.ts'
import { addressesOf, disclosureTo, leasesOf, loopback, never, noNames, node } from './nodes.ts'
import { disclose } from '../../support/disclosures.ts'
import type { AddressGuardComponents } from '../../../src/exchange/lease/address-guard.ts'
import type { Libp2p } from '@libp2p/interface'
import type { AddressInfo } from 'node:net'

interface Client {
  libp2p: Libp2p
  asked: string[]
}

/** A node that dials only where its guard lets it; names lead to 127.0.0.1 unless told otherwise */
async function guarded (init: Partial<AddressGuardComponents> & { hosts?: Record<string, string[]>, gater?: boolean } = {}): Promise<Client> {
  const asked: string[] = []
  const components: AddressGuardComponents = {
    policy: loopback,
    clock: systemClock,
    ...noNames,
    resolve: async name => {
      asked.push(name)
      return (init.hosts?.[name] ?? ['127.0.0.1']).map(address => ({ address, family: 4 }))
    },
    ...init
  }
  const guard = new AddressGuard(components)
  const libp2p = await node({
    addresses: { listen: [] },
    transports: guardedTransports(guard, { ...components, disclose }, { ca: cert }),
    ...(init.gater === true ? { connectionGater: addressGater(guard) } : {})
  })
  return { libp2p, asked }
}

const portOf = (libp2p: Libp2p): string => /\/tcp\/(\d+)/.exec(addressesOf(libp2p)[0] ?? '')?.[1] ?? ''

/** A node behind a WebSocket, in TLS for gateway.test or without */
async function webSocketNode (secure: boolean): Promise<{ libp2p: Libp2p, port: number, hosts: string[] }> {
  const hosts: string[] = []
  const server = secure ? createServer({ key, cert }) : undefined
  server?.on('upgrade', ({ headers }) => { hosts.push(headers.host ?? '') })
  const libp2p = await node({
    addresses: { listen: [secure ? '/ip4/127.0.0.1/tcp/0/tls/ws' : '/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets(server == null ? {} : { https: { key, cert } })],
    services: { identify: identify() }
  })
  return { libp2p, port: Number(portOf(libp2p)), hosts }
}

describe('TCP', () => {
  it('resolves a name once, and connects to what was checked', async () => {
    const server = await node()
    const { libp2p, asked } = await guarded()
    const connection = await libp2p.dial(multiaddr(`/dns4/peer.example/tcp/${portOf(server)}`))

    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
    expect(asked).toEqual(['peer.example'])
  })

  it.each([
    ['an address', '/ip4/127.0.0.1/tcp/PORT', /127\.0\.0\.1:\d+ is refused/], ['a name', '/dns4/rebound.example/tcp/PORT', /rebound\.example/], ['a number for a name', '/dns4/2130706433/tcp/PORT', /127\.0\.0\.1:\d+ is refused/],
    ['an address inside another', '/ip6/::ffff:127.0.0.1/tcp/PORT', /127\.0\.0\.1:\d+ is refused/], ['a file', '/unix/%2Ftmp%2Fsocket', /file system/]
  ])('does not connect to %s that leads where nobody named', async (_, text, message) => {
    const server = await node()
    const { libp2p } = await guarded({ policy: addressPolicy() })

    await expect(libp2p.dial(multiaddr(text.replace('PORT', portOf(server))))).rejects.toThrow(message)
    expect(server.getConnections()).toEqual([])
  })

  it('leaves out the addresses of a name that are refused', async () => {
    const server = await node()
    const { libp2p } = await guarded({ policy: addressPolicy({ allow: ['127.0.0.1'] }), hosts: { 'both.example': ['10.1.2.3', '127.0.0.1'] } })

    expect((await libp2p.dial(multiaddr(`/dns4/both.example/tcp/${portOf(server)}`))).remotePeer.equals(server.peerId)).toBe(true)
  })
})

describe('WebSockets', () => {
  it('go where the name was resolved to, once', async () => {
    const server = await webSocketNode(false)
    const { libp2p, asked } = await guarded()
    const connection = await libp2p.dial(multiaddr(`/dns4/gateway.test/tcp/${server.port}/ws`))

    expect(connection.remotePeer.equals(server.libp2p.peerId)).toBe(true)
    expect(asked).toEqual(['gateway.test'])
  })

  it('inside TLS connect to the IP address, and ask for the name', async () => {
    const server = await webSocketNode(true)
    const { libp2p, asked } = await guarded()

    for (const way of [`/ip4/127.0.0.1/tcp/${server.port}/tls/sni/gateway.test/ws`, `/dns4/gateway.test/tcp/${server.port}/tls/ws`, `/dns4/gateway.test/tcp/${server.port}/wss`]) {
      const connection = await libp2p.dial(multiaddr(way))
      expect(connection.remotePeer.equals(server.libp2p.peerId)).toBe(true)
      await connection.close()
    }
    expect(asked).toEqual(['gateway.test', 'gateway.test'])
  })

  it('inside TLS need a certificate for that name', async () => {
    const server = await webSocketNode(true)
    const { libp2p } = await guarded()

    await expect(libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${server.port}/tls/sni/other.test/ws`))).rejects.toThrow()
    await expect(libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${server.port}/tls/ws`))).rejects.toThrow()
    expect(server.libp2p.getConnections()).toEqual([])
  })

  it.each(['/ip4/127.0.0.1/tcp/PORT/ws', '/dns4/gateway.test/tcp/PORT/ws', '/dns4/gateway.test/tcp/PORT/wss', '/ip4/8.8.8.8/tcp/PORT/tls/sni/localhost/ws', '/ip4/127.0.0.1/tcp/PORT/tls/sni/gateway.test/ws'])('%s leads nowhere when nobody named it', async text => {
    const server = await webSocketNode(false)
    const { libp2p } = await guarded({ policy: addressPolicy() })

    await expect(libp2p.dial(multiaddr(text.replace('PORT', String(server.port))))).rejects.toThrow(/is refused/)
    expect(server.libp2p.getConnections()).toEqual([])
  })

  it('that are given up while they open leave nothing behind', async () => {
    const { createServer: plainServer } = await import('node:net')
    const accepted = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    const server = plainServer(socket => {
      accepted.resolve()
      socket.on('error', () => {}).on('close', () => { ended.resolve() }).resume()
    })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    onTestFinished(() => { server.close() })
    const { libp2p } = await guarded()
    const controller = new AbortController()
    const dialling = libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/ws`), { signal: controller.signal })
    const failed = expect(dialling).rejects.toThrow()
    await accepted.promise
    controller.abort()

    await failed
    await ended.promise
  })

  it('are leased where the node pins names', async () => {
    const server = await webSocketNode(true)
    const { libp2p } = await guarded()
    const leases = leasesOf(libp2p, { pinsNames: true, guard: { resolve: async () => [{ address: '127.0.0.1', family: 4 }] } })
    const peer = server.libp2p.peerId.toString()
    const lease = await leases.acquire({ peer, addresses: [`/dns4/gateway.test/tcp/${server.port}/wss`], disclosure: disclosureTo(peer) }, { signal: never })

    expect(lease.connection.remoteAddr.toString()).toBe(`/ip4/127.0.0.1/tcp/${server.port}/tls/sni/gateway.test/ws/p2p/${peer}`)
  })
})

describe('the gater', () => {
  it('keeps libp2p from addresses that it learnt by itself, and leaves the others', async () => {
    const server = await node()
    const { libp2p } = await guarded({ policy: addressPolicy(), gater: true })
    await libp2p.peerStore.merge(server.peerId, { multiaddrs: server.getMultiaddrs() })

    await expect(libp2p.dial(server.peerId)).rejects.toMatchObject({ name: 'DialDeniedError' })
    expect(server.getConnections()).toEqual([])

    const open = await guarded({ gater: true })
    await open.libp2p.peerStore.merge(server.peerId, { multiaddrs: server.getMultiaddrs() })
    expect((await open.libp2p.dial(server.peerId)).status).toBe('open')
  })
})
