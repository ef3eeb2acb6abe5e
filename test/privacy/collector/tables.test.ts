import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_PROTOCOL, NONE, SharedLists, bounded, remembered } from '../../../src/privacy/collector/bounded-text.ts'
import { NameCounts } from '../../../src/privacy/collector/collector-counts.ts'
import { ConnectionRecord } from '../../../src/privacy/collector/connection-record.ts'
import { ConnectionTable } from '../../../src/privacy/collector/connection-table.ts'
import { OpenMap } from '../../../src/privacy/collector/open-map.ts'
import { PeerTable } from '../../../src/privacy/collector/peer-table.ts'
import { RenewedMap } from '../../../src/privacy/collector/renewed-map.ts'
import { SteadyTime } from '../../../src/privacy/collector/steady-time.ts'
import { transportName } from '../../../src/privacy/collector/transport-name.ts'
import type { ConnectionObservation } from '../../../src/interface/privacy.ts'
import type { Connection } from '@libp2p/interface'

describe('time that never goes back', () => {
  it('runs with the monotonic clock and follows the wall clock forward only', () => {
    fc.assert(fc.property(fc.array(fc.record({ passed: fc.nat(10_000), set: fc.integer({ min: -100_000, max: 100_000 }) })), steps => {
      let now = 0
      let offset = 5_000_000
      const time = new SteadyTime({ now: () => now, wall: () => now + offset })
      let last = time.now()
      expect(last).toBe(5_000_000)

      for (const { passed, set } of steps) {
        now += passed
        offset += set
        const at = time.now()
        expect(Number.isInteger(at)).toBe(true)
        // a step back stops nothing: what took time shows that it did
        expect(at).toBeGreaterThanOrEqual(last + passed)
        expect(at).toBeGreaterThanOrEqual(now + offset - 1_000)
        last = at
      }
    }))
  })
})

describe('what peers send', () => {
  it('is cut to a length, and is well formed then', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 2, max: 50 }), (text, max) => {
      const kept = bounded(text, max)
      expect(kept.length).toBeLessThanOrEqual(max)
      expect(text.length <= max ? kept === text : kept.isWellFormed()).toBe(true)
    }))
    expect(bounded('😀😀', 2)).toBe('\uFFFD…')
  })

  it('is remembered up to a number, the latest', () => {
    const list = ['a', 'b', 'a', 'c', 'd', 'c'].reduce((list, text) => remembered(list, text, 3), NONE)
    expect(list).toEqual(['b', 'c', 'd'])
    expect(remembered(list, 'd', 3)).toBe(list)
    expect(NONE).toEqual([])
  })

  it('is counted by name up to a number of names', () => {
    const counts = new NameCounts()
    for (let i = 0; i < 1_000; i++) {
      counts.add(`/${i}`)
      counts.add('__proto__')
    }
    const json = counts.toJSON()
    expect(Object.keys(json)).toHaveLength(257)
    expect(Object.getOwnPropertyDescriptor(json, '__proto__')?.value).toBe(1_000)
    expect(Object.values(json).reduce((sum, n) => sum + n, 0)).toBe(2_000)
  })
})

describe('a transport', () => {
  const peer = '12D3KooWMngW9yiYAKyeiKmaPHPLNbvzD2uqr5yYpHLVGZDtNmJk'
  it.each([
    [`/ip4/127.0.0.1/tcp/4001/p2p/${peer}`, 'tcp'],
    [`/ip4/127.0.0.1/tcp/4001/ws/p2p/${peer}`, 'ws'],
    ['/dns4/example.com/tcp/443/tls/ws', 'wss'],
    ['/dns4/example.com/tcp/443/wss', 'wss'],
    ['/ip4/127.0.0.1/udp/4001/quic-v1', 'quic-v1'],
    ['/ip4/127.0.0.1/udp/4001/quic-v1/webtransport', 'webtransport'],
    ['/ip4/127.0.0.1/udp/4001/webrtc-direct', 'webrtc-direct'],
    [`/ip4/127.0.0.1/tcp/4001/p2p/${peer}/p2p-circuit/webrtc/p2p/${peer}`, 'webrtc'],
    [`/ip4/127.0.0.1/tcp/4001/ws/p2p/${peer}/p2p-circuit/p2p/${peer}`, 'circuit'],
    [`/memory/x/p2p/${peer}`, 'memory'],
    [`/p2p/${peer}`, 'unknown']
  ])('of %s is %s', (address, name) => {
    expect(transportName(multiaddr(address))).toBe(name)
  })
})

describe('a table of peers', () => {
  it('lets the one go that was seen longest ago, and those with open connections last', () => {
    const table = new PeerTable(3)
    for (const [at, id] of ['a', 'b', 'c'].entries()) {
      table.touch(id, at).opened('inbound', '/memory/x')
    }
    const b = table.get('b') ?? expect.fail()
    b.openConnections--
    table.moved(b, 10)
    table.touch('d', 11)
    expect([...table.keys()]).toEqual(['a', 'c', 'd'])
    table.touch('d', 12).opened('outbound', '/memory/x')
    table.touch('e', 13)
    expect([...table.keys()], 'all are open: the oldest').toEqual(['c', 'd', 'e'])
    expect(table.evicted).toBe(2)
  })

  it('keeps its size, and whoever is open, in any order of events', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), open: fc.boolean() }), { maxLength: 60 }), (max, steps) => {
      const table = new PeerTable(max)

      for (const [at, { id, open }] of steps.entries()) {
        const others = [...table.values()].filter(peer => peer.id !== id)
        const known = table.has(id)
        const record = table.touch(id, at)
        if (open) {
          record.opened('inbound', `/memory/${id}`)
        } else if (record.openConnections > 0) {
          record.openConnections--
        }
        expect(table.size).toBeLessThanOrEqual(max)
        expect([...table.keys()].at(-1)).toBe(id)
        const lost = others.filter(peer => !table.has(peer.id))
        expect(lost.length).toBe(known || others.length < max ? 0 : 1)
        expect(lost.every(peer => peer.openConnections === 0) || others.every(peer => peer.openConnections > 0)).toBe(true)
      }
    }))
  })

  it('forgets those without connections when their time is over', () => {
    const table = new PeerTable(10)
    table.touch('open', 1).opened('inbound', '/memory/x')
    table.touch('old', 2)
    table.touch('new', 50)
    table.expire(50)
    expect([...table.keys()]).toEqual(['open', 'new'])
    expect(table.evicted).toBe(1)
    const keys: string[] = []
    table.forEach(({ id }) => { keys.push(id) })
    expect(keys).toEqual([...table].map(([id]) => id))
  })

  it('bounds what is kept of one', () => {
    const record = new PeerTable(1).touch('a', 0)
    for (let i = 0; i < 500; i++) {
      record.opened('inbound', `/ip4/127.0.0.1/tcp/${i}`)
      record.spoke(`/p/${i}`)
    }
    record.identified('x'.repeat(1_000_000), Array.from({ length: 10_000 }, (_, i) => `${i}${'y'.repeat(1_000)}`))
    expect(JSON.stringify(record).length).toBeLessThan(20_000)
    expect(record).toMatchObject({ connectionCount: 500, addresses: { length: 16 }, protocols: { length: 64 } })
  })
})

describe('a table of connections', () => {
  const peers = new PeerTable(10)
  const make = (n: number, changes: object = {}): [Connection, ConnectionRecord] => {
    const connection = { id: String(n), direction: 'inbound', remoteAddr: multiaddr('/memory/x'), ...changes } as unknown as Connection
    return [connection, new ConnectionRecord(connection, peers.touch('a', n), n)]
  }
  const list = (table: ConnectionTable): ConnectionObservation[] => table.list(() => 'a', true)

  it('makes room by those closed longest ago', () => {
    const table = new ConnectionTable(3)
    const all = Array.from({ length: 5 }, (_, i) => make(i))
    for (const [connection, record] of all) {
      table.add(connection, record)
    }
    expect(table.openCount, 'open ones are all counted').toBe(5)
    expect(list(table).map(({ id }) => id), 'and as many shown as are to be kept').toEqual(['2', '3', '4'])
    for (const i of [4, 0, 1]) {
      table.close(all[i]?.[0] ?? expect.fail(), 10 + i)
    }
    expect(table.openCount).toBe(2)
    expect(list(table).map(({ id, closedAt }) => [id, closedAt])).toEqual([['1', 11], ['2', undefined], ['3', undefined]])
    expect(table.evicted).toBe(2)
    table.close(all[0]?.[0] ?? expect.fail(), 99)
    expect(list(table)).toHaveLength(3)
    table.expire(11)
    expect(list(table)).toHaveLength(3)
    table.expire(12)
    expect(list(table).map(({ id }) => id)).toEqual(['2', '3'])
    expect(table.evicted).toBe(3)
  })

  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: fc.constantFrom('\u0000', '€', '"', '\ud800'), minLength: 120, maxLength: 200 }))

  it('says of those that have closed what it said of them while they were open, whatever they are called', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 400 }), fc.array(fc.record({
      id: text,
      encryption: fc.option(text, { nil: undefined }),
      multiplexer: fc.option(text, { nil: undefined }),
      direction: fc.constantFrom('inbound', 'outbound'),
      protocols: fc.array(text, { maxLength: 40 }),
      bytes: fc.nat()
    }), { maxLength: 60 }), (max, all) => {
      const table = new ConnectionTable(max)
      const before = all.map(({ protocols, bytes, ...changes }, n) => {
        const [connection, record] = make(n, changes)
        table.add(connection, record)
        protocols.forEach(protocol => { record.spoke(bounded(protocol, MAX_PROTOCOL)) })
        record.bytesSent = bytes
        const open = record.observation(true)
        table.close(connection, 1_000 + n)
        // half a character is no text that could be kept
        return { ...JSON.parse(JSON.stringify(open).replaceAll(/\\ud[89a-f][0-9a-f]{2}/g, '\ufffd')) as ConnectionObservation, closedAt: 1_000 + n }
      })
      const wellFormed = (found: ConnectionObservation[]): unknown => JSON.parse(JSON.stringify(found).replaceAll(/\\ud[89a-f][0-9a-f]{2}/g, '\ufffd'))
      expect(wellFormed(list(table))).toEqual(before.slice(-max))
      expect(table.list(() => undefined, true)).toEqual([])
      expect(table.list(() => 'a', false).every(each => !('bytesSent' in each))).toBe(true)
      expect(table.evicted).toBe(Math.max(0, all.length - max))
    }), { numRuns: 50 })
  })

  it('holds less of those with the longest names there can be, and no more bytes', () => {
    const table = new ConnectionTable(1_000)
    const longest = '\u0000'.repeat(MAX_PROTOCOL)
    for (let n = 0; n < 1_000; n++) {
      const [connection, record] = make(n, { id: longest, encryption: longest, multiplexer: longest })
      for (let i = 0; i < 40; i++) {
        record.spoke(`${longest.slice(0, -4)}${i}`)
      }
      table.add(connection, record)
      table.close(connection, n)
    }
    const kept = list(table)
    expect(kept.length).toBeGreaterThan(20)
    // 1 KB each on average, and what is being filled
    expect(JSON.stringify(kept).length).toBeLessThan(1_024 * 1_000 + 131_072)
    expect(kept.length + table.evicted).toBe(1_000)
    expect(kept.at(-1)?.protocols).toHaveLength(32)
    table.clear()
    expect(list(table)).toEqual([])
  })
})

describe('a map of what is open', () => {
  it('is a map, in any order of events, and uses its places again', () => {
    const keys = Array.from({ length: 41 }, (_, id) => ({ id }))
    fc.assert(fc.property(fc.array(fc.oneof(fc.record({ set: fc.nat(40) }), fc.record({ remove: fc.nat(40) }), fc.constant('clear' as const)), { maxLength: 300 }), steps => {
      const [map, truth] = [new OpenMap<object, number>(), new Map<object, number>()]
      for (const [i, step] of steps.entries()) {
        const key = keys[typeof step === 'string' ? 7 : 'set' in step ? step.set : step.remove] ?? expect.fail()
        if (step === 'clear') {
          map.clear()
          truth.clear()
        } else if ('set' in step) {
          map.set(key, i)
          truth.set(key, i)
        } else {
          expect(map.delete(key)).toBe(truth.delete(key))
        }
        expect([map.size, map.get(key), map.has(key), map.findKey(each => each === key)]).toEqual([truth.size, truth.get(key), truth.has(key), truth.has(key) ? key : undefined])
      }
      expect(map.entries()).toEqual([...truth])
      expect([map.keys(), map.values()]).toEqual([[...truth.keys()], [...truth.values()]])
    }))
  })
})

describe('lists that are shared', () => {
  it('are what they were alone, and one where they are alike', () => {
    fc.assert(fc.property(fc.array(fc.array(fc.oneof(fc.constantFrom('a', 'b', '', '","'), fc.string()), { maxLength: 14 }), { maxLength: 30 }), fc.integer({ min: 1, max: 10 }), (all, max) => {
      const lists = new SharedLists()
      for (const texts of all) {
        const alone = texts.reduce((list, text) => remembered(list, text, max), NONE)
        const shared = texts.reduce((list, text) => lists.remembered(list, text, max), NONE)
        expect(shared).toEqual(alone)
      }
    }))
    const lists = new SharedLists()
    const [first, second] = [1, 2].map(() => ['/a', '/b'].reduce((list, text) => lists.remembered(list, text, 8), NONE))
    expect(first).toBe(second)
    for (let i = 0; i < 1_000; i++) {
      lists.remembered(NONE, `/${i}`, 8)
    }
    expect(lists.remembered(['/a'], '/b', 8), 'others have taken its place').not.toBe(first)
  })
})

describe('a map for what comes and goes', () => {
  it('is a map, in any order of events', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.record({ set: fc.nat(40) }), fc.record({ remove: fc.nat(40) }), fc.constant('clear' as const)), { maxLength: 600 }), steps => {
      const [map, truth] = [new RenewedMap<number, number>(), new Map<number, number>()]
      for (const [i, step] of steps.entries()) {
        if (step === 'clear') {
          map.clear()
          truth.clear()
        } else if ('set' in step) {
          map.set(step.set, i)
          truth.set(step.set, i)
        } else {
          expect(map.delete(step.remove)).toBe(truth.delete(step.remove))
        }
        expect([map.size, map.get(7), map.has(7)]).toEqual([truth.size, truth.get(7), truth.has(7)])
      }
      expect([...map.entries()]).toEqual([...truth])
      expect([[...map.keys()], [...map.values()]]).toEqual([[...truth.keys()], [...truth.values()]])
    }))
  })
})
