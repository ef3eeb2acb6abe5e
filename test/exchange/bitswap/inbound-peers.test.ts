import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../../../src/exchange/bitswap/encode-message.ts'
import { BITSWAP_PROTOCOLS, MAX_MESSAGE_SIZE } from '../../../src/exchange/bitswap/message.ts'
import { sample } from './attempt.ts'
import { MAY_SAY, nothing, varint, wireless } from './fake-streams.ts'
import type { FakeStream, Wireless } from './fake-streams.ts'
import type { BlockReceiver, Unfinished } from '../../../src/exchange/bitswap/network.ts'

const MEBIBYTE = 1_048_576

/** Wants every block, of those peers */
function receiver (wanted: readonly string[], got: Uint8Array[] = []): BlockReceiver {
  return {
    wantsFrom: peer => wanted.includes(peer),
    accept: peer => wanted.includes(peer) ? 'yes' : 'no',
    finished: () => {},
    progress: () => {},
    block: (_, { bytes }) => { got.push(bytes) },
    presences: () => {},
    broken: () => {}
  }
}

/** Most of a want-list that does not end */
function withhold (stream: FakeStream, bytes: number): void {
  stream.say([...varint(1_000_006), 0x0a, ...varint(1_000_000)])
  stream.say(new Uint8Array(bytes))
}

/** A message that says nothing: an empty want-list that is not the full one */
const TINY = [4, 0x0a, 2, 0x10, 0]

async function block (size: number): Promise<Uint8Array> {
  return Uint8Array.from(Buffer.concat(encodeMessage({ blocks: [await sample(1, size)] }, BITSWAP_PROTOCOLS[0])))
}

async function stopped ({ network }: Wireless): Promise<void> {
  await network.stop()
  expect(network.size).toEqual({ incoming: 0, outgoing: 0, peers: 0 })
}

describe('messages that do not end', () => {
  it('take no place with what is skipped, and others are heard in as many pieces as they like', async () => {
    const world = await wireless()
    const got: Uint8Array[] = []
    world.network.receiveBlocks(receiver(['good'], got))
    // as much as the peer may say at once, and twice what it may leave unfinished
    const streams = Array.from({ length: 2 }, () => world.open('evil'))

    for (const stream of streams) {
      stream.say([...varint(MAX_MESSAGE_SIZE), 0x3a, ...varint(MAX_MESSAGE_SIZE - 5)])
      stream.say(new Uint8Array(3_950_000))
    }

    const bytes = await block(1_000)
    const good = world.open('good')
    good.say(bytes.subarray(0, 20))
    good.say(bytes.subarray(20))
    expect(got.map(({ byteLength }) => byteLength)).toEqual([1_000])
    expect(streams.every(({ status }) => status === 'open')).toBe(true)
    await stopped(world)
  })

  it('of one peer end when they are too many together, the largest first', async () => {
    const world = await wireless()
    const streams = Array.from({ length: 5 }, () => world.open('evil'))
    const [largest, ...others] = streams as [FakeStream, ...FakeStream[]]
    withhold(largest, 900_000)
    others.forEach(stream => { withhold(stream, 600_000) })

    expect(largest.reason).toMatch(/unfinished/)
    expect(world.faults).toMatchObject([{ peer: 'evil', fault: 'excess' }])
    expect(others.at(-1)?.status).toBe('open')
    await stopped(world)
  })

  it('of many peers end with the largest, and never with the one that just spoke', async () => {
    const world = await wireless()
    const evil: FakeStream[] = []
    const ended = (): number[] => evil.flatMap(({ status }, i) => status === 'open' ? [] : [i])

    // four of each peer, until all together have 64 MiB in memory
    while (ended().length === 0) {
      const stream = world.open(`evil${Math.floor(evil.length / 4)}`)
      evil.push(stream)
      withhold(stream, 900_000)
    }
    expect(evil.length).toBeGreaterThan(48)
    expect(evil.length).toBeLessThan(80)
    expect(ended()).not.toContain(evil.length - 1)

    const large = world.open('good')
    withhold(large, 990_000)

    expect(ended().length).toBeGreaterThan(1)
    expect(large.status).toBe('open')
    expect(world.faults).toEqual([])
    await stopped(world)
  })

  it.each([
    ['stops', 0],
    ['goes on by a byte a second', 1]
  ])('are given up within 20 s when one that was fast %s', async (_, pace) => {
    const world = await wireless()
    const stream = world.open('evil')
    withhold(stream, 900_000)

    for (let second = 0; second < 20; second++) {
      stream.say(new Uint8Array(pace))
      await world.clock.advance(1_000)
    }

    expect(world.faults).toMatchObject([{ peer: 'evil', fault: 'slow' }])
    expect(stream.status).toBe('aborted')
    await stopped(world)
  })

  it('are given up after a minute, however well they go on', async () => {
    const world = await wireless()
    const stream = world.open('evil')
    stream.say([...varint(MAX_MESSAGE_SIZE), 0x3a, ...varint(MAX_MESSAGE_SIZE - 5)])

    for (let second = 0; second < 70; second++) {
      stream.say(new Uint8Array(20_000))
      await world.clock.advance(1_000)
    }

    expect(world.faults).toMatchObject([{ peer: 'evil', fault: 'slow', message: expect.stringMatching(/not complete/) }])
    await stopped(world)
  })

  it('are waited for when they are a block that was asked for, over a slow line', async () => {
    const world = await wireless()
    const got: Uint8Array[] = []
    world.network.receiveBlocks(receiver(['good'], got))
    const bytes = await block(MEBIBYTE)
    const stream = world.open('good')

    for (let at = 0; at < bytes.byteLength; at += 8_192) {
      stream.say(bytes.subarray(at, at + 8_192))
      await world.clock.advance(1_000)
    }

    expect(got).toHaveLength(1)
    expect(world.faults).toEqual([])
    await stopped(world)
  })
})

it('the few bytes around blocks that were asked for are held against nobody', async () => {
  const world = await wireless()
  const got: Uint8Array[] = []
  world.network.receiveBlocks(receiver(['good'], got))
  const bytes = await block(100)
  const said = world.open('good')
  nothing(MAY_SAY - 64).forEach(message => { said.say(message) })

  for (let i = 0; i < 200; i++) {
    const stream = world.open('good')
    stream.say(bytes)
    stream.finish()
  }

  expect(got).toHaveLength(200)
  expect(world.faults).toEqual([])
  nothing(65).forEach(message => { said.say(message) })
  expect(world.faults).toMatchObject([{ peer: 'good', fault: 'excess' }])
  await stopped(world)
})

describe('streams', () => {
  /** All places that strangers may have taken by twelve of them, who spoke one after the other, in turns */
  async function crowded (wanted: readonly string[] = []): Promise<Wireless & { readonly crowd: readonly FakeStream[] }> {
    const world = await wireless()
    world.network.receiveBlocks(receiver(wanted))
    const crowd: FakeStream[] = []

    for (let i = 0; i < 768; i++) {
      const stream = world.open(`evil${i % 12}`)
      stream.say(TINY)
      crowd.push(stream)
      await world.clock.advance(1)
    }
    return { ...world, crowd }
  }

  it('that are silent longest make room, of whoever has most', async () => {
    const world = await crowded()
    world.crowd[0]?.say(TINY)
    const [first, second] = [world.open('new1'), world.open('new2')]

    expect([first.status, second.status]).toEqual(['open', 'open'])
    // the first of evil1 spoke longest ago, now that evil0 spoke again; then that of evil2, of those who have all of theirs
    expect(world.crowd.flatMap(({ status }, i) => status === 'open' ? [] : [i])).toEqual([1, 2])
    expect(world.network.size.incoming).toBe(768)
    await stopped(world)
  })

  it('of peers that something is wanted from have places of their own, and strangers do not end them', async () => {
    const wanted = ['good0', 'good1', 'good2', 'good3']
    const world = await crowded(wanted)
    const good = Array.from({ length: 256 }, (_, i) => world.open(`good${i % 4}`))
    expect(world.crowd.every(({ status }) => status === 'open')).toBe(true)
    expect(good.every(({ status }) => status === 'open')).toBe(true)
    expect(world.network.size.incoming).toBe(1_024)

    for (let i = 0; i < 50; i++) {
      world.open(`more${i}`)
    }
    expect(good.every(({ status }) => status === 'open')).toBe(true)

    good[0]?.finish()
    world.open('more')
    const last = world.open('good0')
    expect(last.status).toBe('open')
    expect(good.slice(1).every(({ status }) => status === 'open')).toBe(true)
    expect(world.network.size.incoming).toBe(1_024)
    await stopped(world)
  })

  it('of one peer are as many as one may have', async () => {
    const world = await wireless()
    const streams = Array.from({ length: 66 }, () => world.open('evil'))
    expect(streams.flatMap(({ status }, i) => status === 'open' ? [] : [i])).toEqual([64, 65])
    expect(world.open('good').status).toBe('open')
    await stopped(world)
  })

  it('of one peer beyond its first few may be silent for seconds only', async () => {
    const world = await wireless()
    Array.from({ length: 64 }, () => world.open('evil')).forEach(stream => { stream.say(TINY) })
    await world.clock.advance(16_000)
    expect(world.network.size.incoming).toBe(4)
    await world.clock.advance(200_000)
    expect(world.network.size.incoming).toBe(4)
    await world.clock.advance(100_000)
    expect(world.network.size.incoming).toBe(0)
    await stopped(world)
  })
})

describe('blocks that were asked for and do not end', () => {
  it('take memory as they arrive, and lose it when they are dropped; what follows is read', async () => {
    const world = await wireless()
    const said = world.open('good')
    // what it may still say is less than what is dropped below
    nothing(MAY_SAY - 100_000).forEach(message => { said.say(message) })
    said.finish()
    const unfinished: Unfinished[] = []
    const finished: Unfinished[] = []
    world.network.receiveBlocks({ ...receiver(['good']), accept: (_, __, ___, one) => unfinished.push(one) > 0 ? 'yes' : 'no', finished: (_, one) => { finished.push(one) } })
    const bytes = await block(2 * MEBIBYTE)
    const before = process.memoryUsage().arrayBuffers
    const streams = Array.from({ length: 60 }, () => world.open('good'))
    streams.forEach(stream => { stream.say(bytes.subarray(0, 100)) })

    expect(unfinished).toHaveLength(60)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60 * 300_000)

    unfinished[0]?.drop()
    streams[0]?.say(bytes.subarray(100))
    streams[1]?.say(bytes.subarray(100))
    expect(finished).toEqual([unfinished[1]])
    expect(streams[0]?.status).toBe('open')
    expect(world.faults).toEqual([])
    await stopped(world)
    expect(finished).toHaveLength(59)
  })
})

describe('lines of want-lists', () => {
  const list = (count: number): Uint8Array => {
    const wants = Array.from({ length: count }, (_, i) => {
      const digest = new Uint8Array(32)
      new DataView(digest.buffer).setUint32(0, i)
      return { cid: CID.createV1(0x55, Digest.create(0x12, digest)), type: 'block' as const, priority: 1 }
    })
    return Uint8Array.from(Buffer.concat(encodeMessage({ wants }, BITSWAP_PROTOCOLS[0])))
  }

  async function serving (serves: boolean): Promise<Wireless & { read (peer: string): number }> {
    const world = await wireless()
    const read = new Map<string, number>()
    world.network.receiveWants({
      serves: () => serves,
      wants: ({ peer, message }) => { read.set(peer, (read.get(peer) ?? 0) + message.wants.length) },
      left: () => {}
    })
    return { ...world, read: peer => read.get(peer) ?? 0 }
  }

  it('are read as fast as they may cost, and whoever goes on loses the stream', async () => {
    const world = await serving(true)
    const stream = world.open('evil')
    const bytes = list(4_000)
    stream.say(bytes)
    stream.say(bytes)
    expect(world.read('evil')).toBe(8_000)
    stream.say(bytes)
    expect(world.faults).toMatchObject([{ peer: 'evil', fault: 'excess' }])
    expect(world.read('evil')).toBe(8_000)

    await world.clock.advance(1_000)
    world.open('evil').say(bytes)
    expect(world.read('evil')).toBe(12_000)
    await stopped(world)
  })

  it('of many peers together are limited, and whoever says little is heard', async () => {
    const world = await serving(true)
    const bytes = list(4_000)
    const streams = Array.from({ length: 20 }, (_, i) => world.open(`evil${i}`))
    streams.forEach(stream => { stream.say(bytes) })
    world.open('good').say(list(500))

    // 65 536 lines of all of them
    expect(streams.flatMap(({ status }, i) => status === 'open' ? [] : [i])).toEqual([16, 17, 18, 19])
    expect(world.read('good')).toBe(500)
    expect(world.faults).toEqual([])
    await stopped(world)
  })

  it('of one that may not be served are read no more than are refused, and the rest costs it nothing', async () => {
    const world = await serving(false)
    const stream = world.open('stranger')
    const bytes = list(4_000)
    stream.say(bytes)
    stream.say(bytes)
    stream.say(bytes)
    expect(world.read('stranger')).toBe(128)
    await world.clock.advance(500)
    stream.say(bytes)
    expect(world.read('stranger')).toBe(192)
    expect(stream.status).toBe('open')
    await stopped(world)
  })

  it('are left out when their CID is the block', async () => {
    const world = await serving(true)
    const wants = [CID.createV1(0x55, Digest.create(0, Uint8Array.of(1, 2))), (await sample(1)).cid].map(cid => ({ cid, type: 'block' as const, priority: 1 }))
    encodeMessage({ wants }, BITSWAP_PROTOCOLS[0]).forEach(bytes => { world.open('peer').say(bytes) })
    expect(world.read('peer')).toBe(1)
    await stopped(world)
  })

  it('presences are read of those that something is wanted from', async () => {
    const world = await wireless()
    const told: string[] = []
    world.network.receiveBlocks({ ...receiver(['good']), presences: peer => { told.push(peer) } })
    const bytes = Buffer.concat(encodeMessage({ presences: [{ cid: (await sample(1)).cid, type: 'have' }] }, BITSWAP_PROTOCOLS[0]))
    world.open('good').say(bytes)
    world.open('stranger').say(bytes)
    expect(told).toEqual(['good'])
    await stopped(world)
  })
})
