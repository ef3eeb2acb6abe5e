import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { onTestFinished } from 'vitest'
import { MetadataCollector } from '../../../../src/privacy/collector/metadata-collector.ts'
import type { MetadataCollectorInit } from '../../../../src/privacy/collector/collector-params.ts'
import type { Identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { Ping } from '@libp2p/ping'
import type { Libp2pOptions } from 'libp2p'

export const ECHO = '/portolan/test/echo/1.0.0'
export const OTHER = '/portolan/test/other/1.0.0'

/** Nothing is given up because the machine is busy, in ms */
const PATIENT = 60_000

type Services = { identify: Identify, ping: Ping }
export type TestLibp2p = Libp2p<Services>

/** A node on TCP loopback that sends back what it is sent on two protocols, stopped when the test ends */
export async function node (options: Partial<Libp2pOptions<Services>> = {}): Promise<TestLibp2p> {
  const libp2p = await createLibp2p<Services>({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify({ timeout: PATIENT }), ping: ping({ timeout: PATIENT }) },
    connectionMonitor: { enabled: false },
    ...options,
    connectionManager: {
      inboundConnectionThreshold: Infinity,
      dialTimeout: PATIENT,
      inboundUpgradeTimeout: PATIENT,
      inboundStreamProtocolNegotiationTimeout: PATIENT,
      outboundStreamProtocolNegotiationTimeout: PATIENT,
      ...options.connectionManager
    }
  })
  onTestFinished(async () => { await libp2p.stop() })

  for (const protocol of [ECHO, OTHER]) {
    await libp2p.handle(protocol, echo)
  }
  return libp2p
}

/** A collector that leaves the node before it stops */
export function watched (libp2p: Libp2p, init?: MetadataCollectorInit): MetadataCollector {
  const collector = new MetadataCollector(libp2p, init)
  onTestFinished(() => { collector.detach() })
  return collector
}

async function echo (stream: Stream): Promise<void> {
  for await (const chunk of stream) {
    if (!stream.send(chunk)) {
      await stream.onDrain()
    }
  }
  await stream.close()
}

/** Sends so many bytes, waits until they are back and closes: what a protocol carried, as both ends agree */
export async function exchange (connection: Connection, bytes: number, protocol: string = ECHO): Promise<void> {
  const stream = await connection.newStream(protocol)
  await converse(stream, bytes)
}

export async function converse (stream: Stream, bytes: number): Promise<void> {
  const back = read(stream)

  for (let left = bytes; left > 0; left -= 16_384) {
    if (!stream.send(new Uint8Array(Math.min(left, 16_384)))) {
      await stream.onDrain()
    }
  }
  await stream.close()

  if (await back !== bytes) {
    throw new Error(`${await back} of ${bytes} bytes came back`)
  }
}

async function read (stream: Stream): Promise<number> {
  let bytes = 0

  for await (const chunk of stream) {
    bytes += chunk.byteLength
  }
  return bytes
}

/** Resolves when something is so, looked at whenever libp2p says anything and every few milliseconds */
export async function until (what: string, isSo: () => boolean): Promise<void> {
  for (const started = performance.now(); !isSo();) {
    if (performance.now() - started > PATIENT) {
      throw new Error(`It did not come to this: ${what}`)
    }
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
}
