/** Letters to insert, delete, change or swap to get from one word to the other (optimal string alignment) */
export function editDistance (a: string, b: string): number {
  const width = b.length + 1
  const table = new Uint16Array((a.length + 1) * width)
  const at = (i: number, j: number): number => table[i * width + j] ?? 0

  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      let best = i === 0 ? j : j === 0 ? i : Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1))

      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, at(i - 2, j - 2) + 1)
      }
      table[i * width + j] = best
    }
  }
  return at(a.length, b.length)
}

/** Longest word looked at: a mistyped name is short, and the table is quadratic */
const MAX_WORD = 64

/** The known word that was probably meant, if one is near enough */
export function suggest (word: string, known: Iterable<string>): string | undefined {
  let best: { word: string, distance: number } | undefined

  if (word.length > MAX_WORD) {
    return undefined
  }
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    // a third of the letters wrong is a typo, more is another word
    if (distance <= Math.max(1, Math.floor(candidate.length / 3)) && distance < (best?.distance ?? Infinity)) {
      best = { word: candidate, distance }
    }
  }
  return best?.word
}

/** `, did you mean X?` or nothing: to append to an error */
export function didYouMean (word: string, known: Iterable<string>, prefix = ''): string {
  const found = suggest(word, known)
  return found == null ? '' : `; did you mean ${prefix}${found}?`
}
