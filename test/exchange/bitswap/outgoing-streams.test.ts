import { expect, it } from 'vitest'
import { wireless } from './fake-streams.ts'
import { sample } from './attempt.ts'
import type { Lane, Outgoing } from '../../../src/exchange/bitswap/network.ts'

/** A stream of ours to a peer, of which the test says how much has left */
class TakingStream extends EventTarget {
  readonly protocol = '/ipfs/bitswap/1.2.0'
  status = 'open'
  writeStatus = 'writable'
  writeBufferLength = 0
  closed = 0

  send (bytes: Uint8Array): boolean {
    this.writeBufferLength += bytes.byteLength
    return false
  }

  async closeRead (): Promise<void> {}

  async close (): Promise<void> {
    this.closed++
    this.status = 'closed'
    this.writeStatus = 'closed'
    this.dispatchEvent(new Event('close'))
  }

  abort (): void {
    this.status = 'aborted'
    this.writeStatus = 'closed'
    this.dispatchEvent(new Event('close'))
  }

  /** So much is left in its buffer */
  left (bytes: number): void {
    this.writeBufferLength = bytes
    this.dispatchEvent(new Event('drain'))
  }
}

async function world (): Promise<Awaited<ReturnType<typeof wireless>> & { streams: TakingStream[], write (lane?: Lane): { done: () => boolean, ended: Promise<unknown> } }> {
  const wire = await wireless()
  const streams: TakingStream[] = []
  const connection = {
    status: 'open',
    addEventListener: () => {},
    removeEventListener: () => {},
    newStream: async () => {
      const stream = new TakingStream()
      streams.push(stream)
      return stream
    }
  }
  const message: Outgoing = { message: { blocks: [await sample(1, 1_000_000)] }, disclosures: [] }

  return {
    ...wire,
    streams,
    write (lane = 'answers') {
      let done = false
      const ended = wire.network.write({ peer: 'peer', connection: connection as never, lane }, () => message, { signal: new AbortController().signal })
        .then(() => { done = true })
      return { done: () => done, ended }
    }
  }
}

const turn = async (): Promise<void> => { await new Promise(resolve => { setImmediate(resolve) }) }

it('a message is over, and the next one may come, while the last 256 KiB of it are still to be written', async () => {
  const { network, streams, write } = await world()
  const [first, second] = [write(), write()]
  await turn()
  const [stream] = streams as [TakingStream]
  const size = stream.writeBufferLength
  expect(size).toBeGreaterThan(1_000_000)

  stream.left(262_145)
  await turn()
  expect(first.done()).toBe(false)
  expect(stream.writeBufferLength).toBe(262_145)

  stream.left(262_144)
  await turn()
  expect(first.done()).toBe(true)
  // the second has been written behind what is left of the first
  expect(stream.writeBufferLength).toBe(262_144 + size)
  expect(second.done()).toBe(false)

  stream.left(0)
  await second.ended
  expect(streams).toHaveLength(1)
  await network.stop()
})

it('streams that nobody has written to for a while are closed, and opened again when somebody does', async () => {
  const { network, clock, streams, write } = await world()
  for (const lane of ['wants', 'answers'] as const) {
    const { ended } = write(lane)
    await turn()
    streams.at(-1)?.left(0)
    await ended
  }
  expect(network.size.outgoing).toBe(2)

  await clock.advance(19_000)
  expect(streams.map(({ closed }) => closed)).toEqual([0, 0])
  const again = write('answers')
  await turn()
  streams[1]?.left(0)
  await again.ended

  await clock.advance(7_000)
  expect(streams.map(({ closed }) => closed)).toEqual([1, 0])
  expect(network.size.outgoing).toBe(1)
  await clock.advance(20_000)
  expect(streams.map(({ closed }) => closed)).toEqual([1, 1])
  expect(network.size.outgoing).toBe(0)

  const after = write('wants')
  await turn()
  expect(streams).toHaveLength(3)
  streams[2]?.left(0)
  await after.ended
  await network.stop()
  expect(network.size).toEqual({ incoming: 0, outgoing: 0, peers: 0 })
})

it('a stream with a message on its way is not idle, however long that takes', async () => {
  const { network, clock, streams, write } = await world()
  const { ended, done } = write()
  await turn()

  for (let left = 900_000; left > 300_000; left -= 100_000) {
    streams[0]?.left(left)
    await clock.advance(20_000)
  }
  expect(done()).toBe(false)
  expect(streams[0]?.closed).toBe(0)
  streams[0]?.left(0)
  await ended
  await network.stop()
})
