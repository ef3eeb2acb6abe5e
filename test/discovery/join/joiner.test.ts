import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { Joiner } from '../../../src/discovery/join/joiner.ts'
import { RememberedPeers } from '../../../src/discovery/join/remembered-peers.ts'
import { KadRequestError } from '../../../src/discovery/kad/kad-client.ts'
import { peerKey } from '../../../src/discovery/kad/kad-key.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { peerId } from './peer-ids.ts'
import type { KadAnswer, KadPeer } from '../../../src/discovery/kad/kad-client.ts'

type Conduct = 'answers' | 'unreachable' | 'refused' | 'declined' | 'hangs'
const NOBODY: KadAnswer = { closer: [], providers: [], skipped: 0 }

function setup (init: { named?: KadPeer[], remembered?: number[], conduct?: Conduct } = {}): { joiner: Joiner, clock: VirtualClock, asked: string[], most (): number, remembered: RememberedPeers, becomes (conduct: Conduct, ...ids: string[]): void, connect (is: boolean): void, pass (ms: number): Promise<void> } {
  const clock = new VirtualClock()
  const policy = addressPolicy()
  const remembered = new RememberedPeers(clock, { policy, usable: () => true })
  const asked: string[] = []
  const conducts = new Map<string, Conduct>()
  let connected = false
  let busy = 0
  let most = 0
  for (const n of init.remembered ?? []) {
    remembered.spoke(peerId(n), [`/ip4/8.8.${n}.1/tcp/4001`])
  }
  const joiner = new Joiner({
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    self: peerId(999),
    remembered,
    connected: () => connected,
    named: async () => init.named ?? [],
    client: {
      async findNode ({ id }, _key, disclosure, { signal }) {
        expect(disclosure).toBeUndefined()
        asked.push(id)
        most = Math.max(most, ++busy)
        const conduct = conducts.get(id) ?? init.conduct ?? 'unreachable'
        try {
          if (conduct === 'hangs') {
            await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
          }
          await clock.sleep(50)
          signal.throwIfAborted()
        } finally {
          busy--
        }
        if (conduct === 'answers') {
          return NOBODY
        }
        throw new KadRequestError(conduct as 'unreachable', conduct)
      }
    }
  })
  return { joiner, clock, asked, most: () => most, remembered, becomes: (conduct, ...ids) => { ids.forEach(id => conducts.set(id, conduct)) }, connect: is => { connected = is }, pass: async ms => clock.run(clock.sleep(ms)) }
}

const named = (...ns: number[]): KadPeer[] => ns.map(n => ({ id: peerId(n), key: peerKey(peerId(n)), addresses: ['/dnsaddr/seed.example'] }))
const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)

describe('joining', () => {
  it('asks nobody while a peer of the DHT is connected, and looks again', async () => {
    const { joiner, asked, connect, pass } = setup({ named: named(1), remembered: [2], conduct: 'answers' })
    connect(true)
    joiner.start()
    await pass(120_000)
    expect(asked).toEqual([])
    connect(false)
    await pass(40_000)
    expect(asked.length).toBeGreaterThan(0)
    joiner.stop()
  })

  it('ends as soon as three of those who are remembered have answered, or one who was named', async () => {
    const some = setup({ remembered: range(1, 100), conduct: 'answers' })
    some.joiner.start()
    await some.pass(1_000)
    // four at a time: others were under way
    expect(some.asked.length).toBeGreaterThanOrEqual(3)
    expect(some.asked.length).toBeLessThanOrEqual(6)
    expect(some.joiner.stats()).toMatchObject({ remembered: 100, rounds: 1, answered: expect.any(Number) as number, failed: 0 })
    some.joiner.stop()

    const one = setup({ named: named(200), remembered: range(1, 100) })
    one.becomes('answers', peerId(200))
    one.joiner.start()
    await one.pass(1_000)
    expect(one.asked.length).toBeLessThanOrEqual(9)
    expect(one.joiner.stats().answered).toBe(1)
    one.joiner.stop()
  })

  it('does not wait for a list of garbage to come to those who were named: they are asked beside it', async () => {
    const { joiner, asked, pass, most } = setup({ named: named(200), remembered: range(1, 128), conduct: 'hangs' })
    joiner.start()
    await pass(150)
    expect(asked).toContain(peerId(200))
    // 32 of them, four at a time, 8 s each, and then pauses
    await pass(65_500)
    expect(asked.filter(id => id !== peerId(200))).toHaveLength(32)
    expect(most()).toBeLessThanOrEqual(8)
    joiner.stop()
  })

  it('tries those who were named again, ever less often: one that comes later is found within minutes', async () => {
    const { joiner, asked, becomes, pass, clock } = setup({ named: named(1) })
    joiner.start()
    const times: number[] = []
    for (let minute = 0; minute < 120; minute++) {
      const before = asked.length
      await pass(60_000)
      times.push(asked.length - before)
    }
    expect(times[0]).toBeGreaterThanOrEqual(3)
    // every five minutes, more or less a quarter
    expect(times.slice(60).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(8)
    expect(times.slice(60).reduce((sum, n) => sum + n, 0)).toBeLessThan(18)
    becomes('answers', peerId(1))
    await pass(400_000)
    expect(joiner.stats().answered).toBeGreaterThan(0)
    joiner.stop()
    expect(clock.pending).toBe(0)
  })

  it('leaves alone who cannot be reached, forgets who is not in this network, and holds nothing against whom our node did not try', async () => {
    const { joiner, becomes, remembered, pass } = setup({ remembered: [1, 2, 3] })
    becomes('refused', peerId(1))
    becomes('declined', peerId(2))
    joiner.start()
    await pass(1_000)
    expect(remembered.ready().map(({ id }) => id)).toEqual([peerId(2)])
    expect(remembered.size).toBe(2)
    joiner.stop()
  })

  it('asks nobody twice who is both named and remembered', async () => {
    const { joiner, asked, pass } = setup({ named: named(1), remembered: [1, 2] })
    joiner.start()
    await pass(1_000)
    expect(asked.toSorted()).toEqual([1, 2].map(peerId).toSorted())
    joiner.stop()
  })

  it('is over with a stop, whatever is under way, and may begin anew', async () => {
    const { joiner, asked, clock, pass } = setup({ named: named(1), remembered: [2], conduct: 'hangs' })
    joiner.stop()
    joiner.start()
    joiner.start()
    await pass(1_000)
    expect(asked).toHaveLength(2)
    joiner.stop()
    joiner.stop()
    await pass(600_000)
    expect(asked).toHaveLength(2)
    expect(clock.pending).toBe(0)
    joiner.start()
    await pass(1_000)
    expect(asked.length).toBeGreaterThan(2)
    joiner.stop()
  })
})
