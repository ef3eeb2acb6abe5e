/**
 * Which of many tests to believe (Benjamini and Hochberg, 1995): of what is told, a share of `chance` is by chance. Where
 * there is nothing to find that is the chance to tell anything at all, as with a correction for every test; where much is
 * found, more is. What cannot be is left out before; it is a test all the same.
 */
export function stepUp<T> (tests: readonly T[], pOf: (test: T) => number, chance: number, count = tests.length): readonly T[] {
  const sorted = [...tests].sort((x, y) => pOf(x) - pOf(y))
  return sorted.slice(0, 1 + sorted.findLastIndex((test, i) => pOf(test) <= chance * (i + 1) / count))
}
