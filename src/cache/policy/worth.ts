/**
 * What a block is worth: (requests)^1.5 / (size x (requests since the last one)^0.65).
 *
 * Hits per byte and time, were it 1, 1 and 1 (hyperbolic caching). That the frequency counts more and the age
 * less is what the gaps of skewed traffic say, where a block that was asked for again is a
 * popular one; a smaller exponent of the age hits more small objects, and fewer bytes.
 */
const FREQUENCY_EXPONENT = 1.5
const AGE_EXPONENT = 0.65

/** The part of the worth that does not change while nobody asks, as a logarithm */
export function worth (frequency: number, size: number): number {
  return FREQUENCY_EXPONENT * log2(Math.max(1, frequency)) - log2(Math.max(1, size))
}

/** What the age takes from it: how long nobody asked, and the fading of the frequency meanwhile */
export function fading (age: number, halfLife: number): number {
  return AGE_EXPONENT * log2(age + 1) + FREQUENCY_EXPONENT * age / halfLife
}

export function faded (frequency: number, age: number, halfLife: number): number {
  return frequency * Math.pow(0.5, age / halfLife)
}

const POWERS = Float64Array.from({ length: 32 }, (_, i) => 1 / Math.pow(2, i))

/** Of a number from 1 to 2^32, within 0.01, in a fraction of the time of Math.log2: an eviction takes dozens */
function log2 (n: number): number {
  const exponent = 31 - Math.clz32(n)
  const rest = n * (POWERS[exponent] as number) - 1
  return exponent + rest * (4 - rest) / 3
}
