import { connect, createServer } from 'node:net'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it, onTestFinished } from 'vitest'
import { collectorMetrics } from '../../../src/privacy/collector/collector-metrics.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { ECHO, OTHER, exchange, node, until, watched } from './support/nodes.ts'
import type { MetadataCollectorInit } from '../../../src/privacy/collector/collector-params.ts'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressInfo, Socket } from 'node:net'

interface CountedWire {
  readonly address: Multiaddr
  connections: number
  bytes: { there: number, back: number }
}

/** Passes on what is dialled to it and counts every byte, both ways */
async function countedWire (target: Multiaddr): Promise<CountedWire> {
  const sockets = new Set<Socket>()
  const port = Number(target.getComponents().find(({ name }) => name === 'tcp')?.value)
  const wire: Omit<CountedWire, 'address'> = { connections: 0, bytes: { there: 0, back: 0 } }
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    wire.connections++

    for (const [from, to, way] of [[near, far, 'there'], [far, near, 'back']] as const) {
      sockets.add(from)
      from.on('data', chunk => { wire.bytes[way] += chunk.length })
      from.on('error', () => { to.destroy() })
      from.pipe(to)
    }
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => {
    server.close()
    sockets.forEach(socket => socket.destroy())
  })
  const peer = target.getComponents().at(-1)?.value ?? expect.fail()
  return Object.assign(wire, { address: multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${peer}`) })
}

/** The same exchange every time: identify, ping, several streams one after the other, on connections that come and go */
async function bytesOf (init: MetadataCollectorInit | undefined, metrics = false): Promise<{ bytes: CountedWire['bytes'], seen: number }> {
  const keys = await Promise.all([1, 2].map(seed => generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(seed))))
  const [a, b] = await Promise.all(keys.map(privateKey => node({ privateKey, ...(metrics ? { metrics: collectorMetrics() } : {}) })))

  if (a == null || b == null) {
    expect.fail()
  }

  const collectors = init == null ? [] : [watched(a, init), watched(b, init)]
  const wire = await countedWire(listeningAddress(b))

  for (let round = 0; round < 3; round++) {
    const connection = await a.dial(wire.address)
    await until('identify is done', () => connection.streams.length === 0 && b.getConnections()[0]?.streams.length === 0)
    await a.services.ping.ping(b.peerId)

    for (const size of [0, 1, 5_000]) {
      await exchange(connection, size, size === 1 ? OTHER : ECHO)
      for (const collector of collectors) {
        collector.getStatistics()
        collector.observations()
      }
    }
    await connection.close()
    await until('both ends are closed', () => b.getConnections().length === 0)
  }

  expect(wire.connections).toBe(3)
  return { bytes: { ...wire.bytes }, seen: collectors[0]?.getStatistics().totalStreams ?? 0 }
}

describe('the wire', () => {
  it('carries the same bytes with a collector as without, to the byte', async () => {
    const without = await bytesOf(undefined)
    expect(without.bytes.there).toBeGreaterThan(3 * 5_000)
    expect(without.bytes.back).toBeGreaterThan(3 * 5_000)
    expect((await bytesOf(undefined)).bytes, 'the exchange is the same each time').toEqual(without.bytes)

    for (const [init, metrics, seen] of [[{}, false, 0], [{ streams: 'wrap' }, false, 18], [{}, true, 18], [{ streams: 'wrap', ledger: new DisclosureLedger() }, true, 18]] as const) {
      const withIt = await bytesOf(init, metrics)
      expect(withIt.bytes, JSON.stringify({ streams: 'streams' in init ? init.streams : 'auto', metrics })).toEqual(without.bytes)
      expect(withIt.seen).toBeGreaterThanOrEqual(seen)
    }
  })
})
