import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { onTestFinished } from 'vitest'
import { seededRandom } from '../../../../src/clock/random.ts'
import { listeningAddress } from '../../../../src/privacy/collector/listening-address.ts'
import { ECHO, exchange, node, until } from './nodes.ts'
import type { TestLibp2p } from './nodes.ts'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressInfo, Socket } from 'node:net'

export interface ChurnInit {
  readonly peers: number
  /** How long half of them leave and come back, in ms */
  readonly duration: number
  readonly seed: number
  /** Of the one peer that asks by the clock, in ms */
  readonly period: number
  /** Called now and then while it goes on */
  look (): void
}

/** What the peers know that they did: the truth, from the other ends */
export interface Truth {
  /** Of each peer: connections that were used */
  readonly sessions: Map<string, number>
  readonly open: Set<string>
  readonly metronome: string
  exchanges: number
  bytes: number
  /** Exchanges that were tried while the way was cut */
  cut: number
}

const SIZE = 200
/** A third of the peers that stay are behind the way that is cut */
const BEHIND = 3

/** The node in the middle, which is watched */
export async function hub (): Promise<TestLibp2p> {
  return node({
    nodeInfo: { userAgent: 'portolan-churn-hub' },
    connectionManager: { maxConnections: 1_000, maxIncomingPendingConnections: 1_000 }
  })
}

/** Peers on TCP loopback: half leave and rejoin, one asks by the clock, and a part of the rest is cut off for a third of the time */
export async function churn (middle: TestLibp2p, { peers: count, duration, seed, period, look }: ChurnInit): Promise<Truth> {
  const random = seededRandom(seed)
  /** Exponential: nothing in it is a rhythm */
  const pause = (mean: number): number => Math.min(10 * mean, -Math.log(1 - random.next()) * mean)
  const way = await cutWay(listeningAddress(middle))
  const nodes: TestLibp2p[] = []
  while (nodes.length < count) {
    nodes.push(...await Promise.all(Array.from({ length: Math.min(20, count - nodes.length) }, () => node({ nodeInfo: { userAgent: 'portolan-churn-peer' } }))))
  }

  const [metronome, ...others] = nodes as [TestLibp2p, ...TestLibp2p[]]
  const leaving = others.slice(0, Math.floor(count / 2))
  const staying = others.slice(Math.floor(count / 2))
  const behind = staying.filter((_, i) => i % BEHIND === 0)
  const truth: Truth = { sessions: new Map(), open: new Set(), metronome: metronome.peerId.toString(), exchanges: 0, bytes: 0, cut: 0 }

  const join = async (peer: TestLibp2p, address = listeningAddress(middle)): Promise<Connection> => {
    const connection = await peer.dial(address)
    const id = peer.peerId.toString()
    // both ends have it when something has come back
    await talk(connection)
    truth.sessions.set(id, (truth.sessions.get(id) ?? 0) + 1)
    truth.open.add(id)
    return connection
  }
  const talk = async (connection: Connection): Promise<void> => {
    await exchange(connection, SIZE)
    truth.exchanges++
    truth.bytes += SIZE
  }

  const connections = new Map<TestLibp2p, Connection>()
  for (let i = 0; i < others.length; i += 20) {
    await Promise.all(others.slice(i, i + 20).map(async peer => {
      connections.set(peer, await join(peer, behind.includes(peer) ? way.address : undefined))
    }))
  }
  // the last to come: a pause after its first words would be no rhythm
  connections.set(metronome, await join(metronome))

  const end = performance.now() + duration
  const going = (): boolean => performance.now() < end

  const leave = async (peer: TestLibp2p, connection: Connection, how: number): Promise<void> => {
    truth.open.delete(peer.peerId.toString())
    if (how < 0.4) {
      await connection.close()
    } else if (how < 0.8) {
      connection.abort(new Error('left'))
    } else {
      await peer.stop()
      await peer.start()
    }
    await until('it has left', () => peer.getConnections().length === 0)
  }

  await Promise.all([
    ...leaving.map(async peer => {
      let connection = connections.get(peer) as Connection
      while (going()) {
        await sleep(pause(duration / 12))
        await leave(peer, connection, random.next())
        await sleep(pause(duration / 12))
        connection = await join(peer)
      }
    }),
    ...staying.filter(peer => !behind.includes(peer)).map(async peer => {
      while (going()) {
        await sleep(pause(duration / 10))
        await talk(connections.get(peer) as Connection)
      }
    }),
    (async () => {
      const stream = await (connections.get(metronome) as Connection).newStream(ECHO)
      let back = 0
      const reading = (async () => { for await (const { byteLength } of stream) { back += byteLength } })()
      truth.exchanges++
      for (let at = performance.now(), sent = 0; going(); at += period) {
        await sleep(Math.max(0, at + period - performance.now()))
        stream.send(new Uint8Array(SIZE))
        sent += SIZE
        await until('it has come back', () => back === sent)
        truth.bytes += SIZE
      }
      await stream.close()
      await reading
    })(),
    (async () => {
      await sleep(duration / 3)
      way.cut()
      await Promise.all(behind.map(async peer => {
        const signal = AbortSignal.timeout(duration / 6)
        await (connections.get(peer) as Connection).newStream(ECHO, { signal }).then(() => { throw new Error('The way is not cut') }, () => { truth.cut++ })
      }))
      // nothing has told the middle: they are there until their connections break
      look()
      await sleep(duration / 6)
      behind.forEach(({ peerId }) => truth.open.delete(peerId.toString()))
      way.heal()
      await Promise.all(behind.map(async peer => {
        await until('it has noticed', () => peer.getConnections().length === 0)
        await join(peer, way.address)
      }))
    })(),
    (async () => {
      while (going()) {
        await sleep(200)
        look()
      }
    })()
  ])

  return truth
}

interface CutWay {
  readonly address: Multiaddr
  /** Nothing comes through any more, and nobody is told */
  cut (): void
  /** What hung is broken; who dials comes through */
  heal (): void
}

async function cutWay (target: Multiaddr): Promise<CutWay> {
  const [port, peer] = ['tcp', 'p2p'].map(name => target.getComponents().find(component => component.name === name)?.value)
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const far = connect(Number(port), '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from)
      from.on('error', () => { to.destroy() })
      from.on('close', () => { sockets.delete(from); to.destroy() })
      from.pipe(to)
    }
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const destroy = (): void => { sockets.forEach(socket => socket.destroy()) }
  onTestFinished(() => {
    server.close()
    destroy()
  })

  return {
    address: multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${peer}`),
    cut () {
      for (const socket of sockets) {
        socket.unpipe()
        socket.pause()
      }
    },
    heal: destroy
  }
}
