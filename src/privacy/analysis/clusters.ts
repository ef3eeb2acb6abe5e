/** Parts of a list that is in order of time, where none is further than `gap` from the one before */
export function clusters<T extends { readonly at: number }> (list: readonly T[], gap: number): readonly T[][] {
  const parts: T[][] = []
  let last: T | undefined

  for (const entry of list) {
    const part = parts.at(-1)

    if (part == null || last == null || entry.at - last.at > gap) {
      parts.push([entry])
    } else {
      part.push(entry)
    }
    last = entry
  }

  return parts
}
