/**
 * Log likelihoods of the best of a family of distributions, for intervals in units of their mean
 */

/** Of what is as often too early as too late */
export function normal (x: Float64Array): number {
  const middle = x.reduce((sum, y) => sum + y, 0) / x.length
  const variance = Math.max(1e-6, x.reduce((sum, y) => sum + (y - middle) ** 2, 0) / x.length)
  return -x.length * (Math.log(2 * Math.PI * variance) + 1) / 2
}

export function lognormal (logs: Float64Array): number {
  const middle = logs.reduce((sum, l) => sum + l, 0) / logs.length
  const variance = Math.max(1e-6, logs.reduce((sum, l) => sum + (l - middle) ** 2, 0) / logs.length)
  return -logs.length * (middle + (Math.log(2 * Math.PI * variance) + 1) / 2)
}

export function weibull (logs: Float64Array): number {
  const n = logs.length
  const sum = logs.reduce((sum, l) => sum + l, 0)
  let best = -Infinity

  for (let k = 0.25; k < 3; k *= 1.15) {
    const scale = logs.reduce((total, l) => total + Math.exp(k * l), 0) / n
    const likelihood = n * (Math.log(k) - Math.log(scale) - 1) + (k - 1) * sum

    // it is concave in k: from its top on it falls
    if (likelihood < best) {
      break
    }
    best = likelihood
  }
  return best
}

export function lomax (x: Float64Array): number {
  let best = -Infinity

  for (let c = 0.01; c < 100; c *= 1.7) {
    const t = x.reduce((sum, y) => sum + Math.log1p(y / c), 0)
    const shape = x.length / t
    best = Math.max(best, x.length * Math.log(shape / c) - (shape + 1) * t)
  }
  return best
}

export function pareto (sorted: Float64Array, logs: Float64Array): number {
  const n = logs.length
  const least = Math.log(sorted[0] ?? 1)
  const sum = logs.reduce((total, l) => total + l, 0)
  const shape = (n - 1) / Math.max(sum - n * least, 1e-6)
  // one for its lower end, which is read off the data
  return n * (Math.log(shape) + shape * least) - (shape + 1) * sum - 1
}

/** Where independent events end: intervals that vary by less than this share of their mean come in some rhythm */
const LEAST_VARIATION = 0.6

/** Of such a variation: variance of the logarithm of a lognormal, shapes of a Weibull and of a Pareto distribution */
const LEAST_SPREAD = Math.log(1 + LEAST_VARIATION ** 2)
const WEIBULL_SHAPES = [0.5, 0.7, 0.85, 1, 1.15, 1.3, 1.5, 1.72]
const MOST_PARETO = 1 + Math.sqrt(1 + LEAST_VARIATION ** -2)

/** Of the best renewal process (lognormal, Weibull, Pareto, exponential after a while) whose intervals vary by 0.6 of their mean, or more */
export function uneven (x: Float64Array): number {
  const n = x.length
  const least = x.reduce((min, y) => Math.min(min, y), Infinity)
  const logs = x.map(Math.log)
  const sum = logs.reduce((total, l) => total + l, 0)
  const spread = logs.reduce((total, l) => total + (l - sum / n) ** 2, 0) / n
  const wide = Math.max(spread, LEAST_SPREAD)
  const shape = Math.min(MOST_PARETO, (n - 1) / Math.max(sum - n * Math.log(least), 1e-6))
  const beyond = x.reduce((total, y) => total + y, 0) / n - least
  const scale = Math.max(beyond, LEAST_VARIATION * least / (1 - LEAST_VARIATION))

  return Math.max(
    -sum - n * (Math.log(2 * Math.PI * wide) + spread / wide) / 2,
    ...WEIBULL_SHAPES.map(k => n * (Math.log(k) - Math.log(logs.reduce((total, l) => total + Math.exp(k * l), 0) / n) - 1) + (k - 1) * sum),
    // one for the lower end, which is read off the data
    n * (Math.log(shape) + shape * Math.log(least)) - (shape + 1) * sum - 1,
    -n * (Math.log(scale) + beyond / scale) - 1
  )
}
