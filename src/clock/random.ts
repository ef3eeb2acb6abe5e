import type { Random } from '../interface/clock.ts'

/** The machine's own dice */
export const systemRandom: Random = { next: () => Math.random() }

/** Seeded dice (mulberry32): the same seed gives the same rolls on every machine */
export function seededRandom (seed: number): Random {
  let state = seed >>> 0

  return {
    next () {
      state = (state + 0x6d2b79f5) >>> 0
      let t = state
      t = Math.imul(t ^ (t >>> 15), t | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296
    }
  }
}

/** A quarter more or less, by chance: what began together goes apart */
export function jittered (ms: number, random: Random): number {
  return ms * (0.75 + random.next() / 2)
}

/** A standard normal variate (Box-Muller) */
export function normal (random: Random): number {
  const u = 1 - random.next()
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * random.next())
}
