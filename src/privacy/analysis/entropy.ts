/** What a distribution over those who could have caused something says of their anonymity */
export interface SetMeasures {
  /** N: those with a chance above 0 */
  readonly anonymitySet: number
  /** 2^H: as many equally likely ones would be as hard to tell apart (Serjantov and Danezis, 2002) */
  readonly effectiveSet: number
  /** H / log2 N (Díaz et al., 2002); 0 where N is 1 */
  readonly degree: number
  /** -log2 of the chance of the likeliest: the worst case (Clauß and Schiffner, 2006) */
  readonly minEntropy: number
}

/** Weights need not sum to 1; those that are not above 0 count for nobody */
export function setMeasures (weights: Iterable<number>): SetMeasures {
  const positive = [...weights].filter(weight => weight > 0 && weight < Infinity)
  const total = positive.reduce((sum, weight) => sum + weight, 0)
  const n = positive.length

  if (n === 0) {
    return { anonymitySet: 0, effectiveSet: 0, degree: 0, minEntropy: 0 }
  }

  let entropy = 0
  let most = 0

  for (const weight of positive) {
    const p = weight / total
    // of weights that are lost beside the largest one
    entropy -= p > 0 ? p * Math.log2(p) : 0
    most = Math.max(most, p)
  }

  // rounding must not find more in a set than there are in it
  const bits = Math.min(Math.max(0, entropy), Math.log2(n))

  return {
    anonymitySet: n,
    effectiveSet: Math.min(n, 2 ** bits),
    degree: n === 1 ? 0 : bits / Math.log2(n),
    minEntropy: Math.min(bits, Math.max(0, -Math.log2(most)))
  }
}
