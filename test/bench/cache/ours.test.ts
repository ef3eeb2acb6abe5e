import { describe, expect, it } from 'vitest'
import { ours } from '../../../bench/cache/ours.ts'
import { TraceBuilder, simulate } from '../../../bench/cache/trace.ts'
import type { EvictionPolicy } from '../../../src/cache/policy/eviction-policy.ts'

function trace (keys: string) {
  const builder = new TraceBuilder()
  for (const key of keys) {
    builder.add(key, key.charCodeAt(0) - 96)
  }
  return builder.build('letters', { seed: 1, sized: true })
}

/** A policy that evicts what it is told to, whatever comes */
function told (evict: (slot: number) => number[], calls: unknown[][] = []): () => EvictionPolicy {
  return () => ({
    capacity: 0,
    used: 0,
    windowBytes: 0,
    hit (...args) { calls.push(['hit', ...args]) },
    miss (...args) { calls.push(['miss', ...args]) },
    insert (...args) {
      calls.push(['insert', ...args])
      return evict(args[0])
    },
    remove () {},
    resize: () => []
  })
}

describe('our policy in the bench', () => {
  it('is told of each request once, and of bytes', () => {
    const letters = trace('aba')
    const calls: unknown[][] = []
    expect(simulate(ours(letters, 3, 1, told(() => [], calls)), letters)).toEqual({ hits: 1, bytes: 1 })

    const [a, b] = letters.hashes
    expect(calls).toEqual([['miss', a], ['insert', 0, a, 1], ['miss', b], ['insert', 1, b, 2], ['hit', 0]])
  })

  it('has slots used again', () => {
    const letters = trace('abc')
    const calls: unknown[][] = []
    simulate(ours(letters, 10, 1, told(slot => [slot], calls)), letters)
    expect(calls.filter(([name]) => name === 'insert').map(([, slot]) => slot)).toEqual([0, 0, 0])
  })

  it('is not asked to keep what no block is as large as', () => {
    const builder = new TraceBuilder()
    for (const key of 'abcabdabeabfab') {
      builder.add(key, 2 ** 32)
    }

    const huge = builder.build('huge', { seed: 1, sized: true })
    expect(simulate(ours(huge, 3 * 2 ** 32), huge)).toEqual({ hits: 0, bytes: 0 })
  })

  it('cannot hold more than the room', () => {
    const letters = trace('abc')
    expect(() => simulate(ours(letters, 5, 1, told(() => [])), letters)).toThrow('The policy keeps 6 bytes in 5')
  })

  it('cannot make room twice with the same block', () => {
    const letters = trace('abc')
    expect(() => simulate(ours(letters, 3, 1, told(slot => slot === 2 ? [0, 0] : [])), letters)).toThrow('The policy evicts slot 0, in which there is nothing')
  })
})
