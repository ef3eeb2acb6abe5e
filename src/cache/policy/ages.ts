/** Ages are requests since the last one for a block; four steps to a doubling */
export const AGES = 108

const EXACT = 4

/** From 1: nothing that is asked about was asked for in the same request */
export function ageStep (age: number): number {
  if (age < EXACT) {
    return Math.max(1, age)
  }

  const octave = 31 - Math.clz32(age)
  return Math.min(AGES - 1, EXACT * (octave - 1) + ((age >>> (octave - 2)) & 3))
}

/** By step, the first age in it */
export const AGE_STARTS: Float64Array = Float64Array.from({ length: AGES + 1 }, (_, step) => {
  return step < EXACT ? step : (EXACT + (step & 3)) * 2 ** ((step >> 2) - 1)
})
