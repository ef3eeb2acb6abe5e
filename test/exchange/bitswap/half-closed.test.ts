import { lpStream } from '@libp2p/utils'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { nextTask } from '../../../src/clock/turns.ts'
import { encodeMessage } from '../../../src/exchange/bitswap/encode-message.ts'
import { IDLE_STREAM } from '../../../src/exchange/bitswap/bitswap-egress.ts'
import { Libp2pBitswapNetwork } from '../../../src/exchange/bitswap/libp2p-network.ts'
import { BITSWAP_PROTOCOLS } from '../../../src/exchange/bitswap/message.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { node } from './nodes.ts'
import type { BlockReceiver } from '../../../src/exchange/bitswap/network.ts'
import type { OutgoingMessage } from '../../../src/exchange/bitswap/message.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'

/** Whoever ends a stream right after what it wrote loses none of it, whichever side that is */

const [PROTOCOL] = BITSWAP_PROTOCOLS
const MESSAGES = 1_000
const MIB = 1_048_576

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

async function libp2p (): Promise<Libp2p> {
  const own = await node()
  open.defer(async () => { await own.stop() })
  return own
}

async function network (own: Libp2p, clock: Clock = systemClock): Promise<Libp2pBitswapNetwork> {
  const network = new Libp2pBitswapNetwork({ libp2p: own as never, clock, logger: silentLogger })
  await network.start()
  open.defer(async () => { await network.stop() })
  return network
}

const cidOf = async (text: string): Promise<CID> => CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))

function write (stream: Stream, message: OutgoingMessage): void {
  for (const piece of encodeMessage(message, PROTOCOL)) {
    stream.send(piece)
  }
}

/** One message over a stream of its own, which ends with it, as Helia and Kubo send theirs */
async function say (connection: Connection, message: OutgoingMessage): Promise<void> {
  const stream = await connection.newStream(PROTOCOL, { maxOutboundStreams: 100 })
  write(stream, message)
  await stream.close()
}

it('hears all of a thousand messages that end their stream', async () => {
  const [ours, theirs] = [await libp2p(), await libp2p()]
  const heard = new Set<string>()
  const listening = await network(ours)
  listening.receiveWants({ wants: ({ message }) => { message.wants.forEach(({ key }) => { heard.add(key) }) }, left: () => {} })
  const connection = await theirs.dial(ours.getMultiaddrs())

  for (let i = 0; i < MESSAGES; i += 50) {
    await Promise.all(Array.from({ length: 50 }, async (_, n) => say(connection, { wants: [{ cid: await cidOf(`want ${i + n}`), type: 'have', priority: 1 }] })))
  }
  await vi.waitFor(() => { expect(heard.size).toBe(MESSAGES) }, { timeout: 20_000 })
})

it('hears the end of a stream that was held back when its sender ended it', async () => {
  const [ours, theirs] = [await libp2p(), await libp2p()]
  const { promise: judged, resolve } = Promise.withResolvers<void>()
  const blocks: number[] = []
  const listening = await network(ours)
  listening.receiveBlocks({
    wantsFrom: () => true,
    accept: () => 'yes',
    finished: () => {},
    progress: () => {},
    block: async (_, { bytes }) => {
      blocks.push(bytes.byteLength)
      await judged
    },
    presences: () => {},
    broken: () => {}
  } satisfies BlockReceiver)
  const connection = await theirs.dial(ours.getMultiaddrs())
  const inbound = (): Stream | undefined => ours.getConnections().flatMap(({ streams }) => streams).find(({ protocol }) => protocol === PROTOCOL)
  const stream = await connection.newStream(PROTOCOL)

  // more than is judged at a time
  for (let n = 0; n < 9; n++) {
    write(stream, { blocks: [{ cid: await cidOf(`block ${n}`), bytes: new Uint8Array(MIB) }] })
  }
  await vi.waitFor(() => { expect(inbound()?.readStatus).toBe('paused') }, { timeout: 10_000 })
  const held = inbound()
  write(stream, { blocks: [{ cid: await cidOf('last'), bytes: new Uint8Array(1_000) }] })
  await stream.close()
  await vi.waitFor(() => { expect(held?.remoteWriteStatus).toBe('closed') }, { timeout: 10_000 })
  expect(blocks).toHaveLength(9)
  resolve()
  await vi.waitFor(() => { expect(blocks).toHaveLength(10) }, { timeout: 10_000 })
})

it('is heard with all of a thousand messages whose stream it ended, by whoever listens late', async () => {
  const [ours, theirs] = [await libp2p(), await libp2p()]
  const clock = new VirtualClock()
  const writing = await network(ours, clock)
  let heard = 0
  await theirs.handle(PROTOCOL, async stream => {
    await nextTask()
    const messages = lpStream(stream)
    await nextTask()
    await messages.read()
    heard++
    stream.close().catch(error => { stream.abort(error as Error) })
  }, { maxInboundStreams: 100 })
  const connection = await ours.dial(theirs.getMultiaddrs())

  for (let i = 0; i < MESSAGES; i++) {
    const cid = await cidOf(`want ${i}`)
    await writing.write({ peer: theirs.peerId.toString(), connection, lane: 'wants' }, () => ({ message: { wants: [{ cid, type: 'have', priority: 1 }] }, disclosures: [] }), { signal: AbortSignal.timeout(10_000) })
    // it was silent for long
    await clock.advance(2 * IDLE_STREAM)
  }
  await vi.waitFor(() => { expect(heard).toBe(MESSAGES) }, { timeout: 20_000 })
})
