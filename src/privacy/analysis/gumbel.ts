const EULER = 0.5772156649015329

/** What is −2 ln of a chance falls by e in 2: a fit that is steeper has seen too little */
const LEAST_SCALE = 2

export interface Gumbel {
  /** That chance gives a maximum as high */
  above (height: number): number
}

/** How maxima are distributed, by their mean and variance */
export function gumbel (maxima: Iterable<number>): Gumbel {
  const list = [...maxima]
  const mean = list.reduce((sum, x) => sum + x, 0) / list.length
  const variance = list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, list.length - 1)
  const scale = Math.max(LEAST_SCALE, Math.sqrt(6 * variance) / Math.PI)
  const location = mean - EULER * scale

  return { above: height => -Math.expm1(-Math.exp(-(height - location) / scale)) }
}
