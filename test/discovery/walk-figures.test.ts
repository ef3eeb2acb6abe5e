import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { WalkFigures } from '../../src/discovery/walk-figures.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { madeUpPeer } from './kad/support/peers.ts'
import type { KadPeer } from '../../src/discovery/kad/kad-client.ts'
import type { WalkResult } from '../../src/discovery/kad/walk-run.ts'
import type { WalkOptions } from '../../src/discovery/kad/walker.ts'

const random = seededRandom(1)
const [a, b] = [madeUpPeer(random), madeUpPeer(random)]
const result = (hops: number, took: number): WalkResult => ({ end: 'settled', closest: [], asked: 3, answered: 1, failed: 1, passedOver: 2, hops, took } as unknown as WalkResult)

async function read (found: AsyncIterable<KadPeer>): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of found) {
    ids.push(id)
  }
  return ids
}

describe('figures of lookups', () => {
  it('are those of the messages and results that pass, and change nothing of them', async () => {
    const clock = new VirtualClock()
    const figures = new WalkFigures(clock)
    const heard: string[] = []
    const walk = async function * ({ onProgress }: WalkOptions): AsyncGenerator<KadPeer> {
      onProgress?.({ phase: 'ask', peer: 'x' })
      onProgress?.({ phase: 'ask', peer: 'y' })
      onProgress?.({ phase: 'ask', peer: 'z' })
      await clock.sleep(40)
      onProgress?.({ phase: 'answer', peer: 'x', took: 40, closer: 3, providers: 2, skipped: 5 })
      yield a
      yield b
      yield { ...a, addresses: ['/ip4/192.0.2.9/tcp/4001'] }
      onProgress?.({ phase: 'late', peer: 'y', took: 400 })
      onProgress?.({ phase: 'error', peer: 'z', took: 10, error: new Error('gone') })
      onProgress?.({ phase: 'end', result: result(3, 500) })
    }
    const found = figures.watch({ signal: new AbortController().signal, onProgress: ({ phase }) => { heard.push(phase) } }, walk)
    expect(await clock.run(read(found))).toEqual([a.id, b.id, a.id])
    expect(heard).toEqual(['ask', 'ask', 'ask', 'answer', 'late', 'error', 'end'])
    expect(figures.stats()).toEqual({
      begun: 1,
      ended: 1,
      failed: 0,
      asked: 3,
      answered: 1,
      late: 1,
      errors: 1,
      passedOver: 2,
      providers: 2,
      named: 3,
      skipped: 5,
      hops: { p50: 3, p90: 3, p99: 3 },
      firstProvider: { p50: 40, p90: 40, p99: 40 },
      end: { p50: 500, p90: 500, p99: 500 }
    })
  })

  it('tell a lookup that failed from one that was left', async () => {
    const figures = new WalkFigures(new VirtualClock())
    const failing = async function * (): AsyncGenerator<KadPeer> {
      yield a
      throw new Error('nobody answered')
    }
    const controller = new AbortController()
    await expect(read(figures.watch({ signal: controller.signal }, failing))).rejects.toThrow('nobody answered')
    const left = figures.watch({ signal: controller.signal }, failing)
    await left.next()
    await left.return()
    const aborted = async function * ({ signal }: WalkOptions): AsyncGenerator<KadPeer> {
      yield a
      controller.abort()
      signal.throwIfAborted()
    }
    await expect(read(figures.watch({ signal: controller.signal }, aborted))).rejects.toThrow()
    expect(figures.stats()).toMatchObject({ begun: 3, failed: 1, ended: 0, end: {} })
  })

  it('rest on the last 256 lookups, however many there were', async () => {
    const clock = new VirtualClock()
    const figures = new WalkFigures(clock)
    for (let i = 1; i <= 1_000; i++) {
      await read(figures.watch({ signal: new AbortController().signal }, async function * ({ onProgress }: WalkOptions): AsyncGenerator<KadPeer> {
        onProgress?.({ phase: 'end', result: result(i, i) })
      }))
    }
    expect(figures.stats().end).toEqual({ p50: 873, p90: 975, p99: 998 })
  })
})
