export interface Tally {
  /** Seen, and in the ledger as sent or unknown */
  matched: number
  /** Seen by a spy, and not in the ledger */
  missing: number
  /** Marked as sent, and seen by nobody */
  extra: number
  /** Nobody here knows whether it was sent: allowed only where a connection broke */
  unknown: number
  /** Of the unknown: why nobody can know */
  readonly causes: Map<string, number>
  /** Neither missing nor extra, although one side has more of them: why that is right */
  readonly excused: Map<string, number>
}

export function emptyTally (): Tally {
  return { matched: 0, missing: 0, extra: 0, unknown: 0, causes: new Map(), excused: new Map() }
}

export function summed (tallies: Iterable<Tally>): Tally {
  const sum = emptyTally()

  for (const { matched, missing, extra, unknown, causes, excused } of tallies) {
    sum.matched += matched
    sum.missing += missing
    sum.extra += extra
    sum.unknown += unknown
    merge(sum.causes, causes)
    merge(sum.excused, excused)
  }
  return sum
}

function merge (to: Map<string, number>, from: ReadonlyMap<string, number>): void {
  from.forEach((count, word) => { to.set(word, (to.get(word) ?? 0) + count) })
}

/** Adds up what several nodes did */
export function together (comparisons: ReadonlyArray<{ readonly paths: ReadonlyMap<string, Tally> }>): { readonly paths: ReadonlyMap<string, Tally>, readonly sum: Tally } {
  const paths = new Map<string, Tally>()

  for (const [path, tally] of comparisons.flatMap(({ paths }) => [...paths])) {
    paths.set(path, summed([paths.get(path) ?? emptyTally(), tally]))
  }
  return { paths, sum: summed(paths.values()) }
}

/** What was counted, what was not and why, and why anything is unknown */
export function table ({ paths, sum }: { readonly paths: ReadonlyMap<string, Tally>, readonly sum: Tally }): string {
  const row = (name: string, { matched, missing, extra, unknown, causes, excused }: Tally): string => {
    const line = `${name.padEnd(26)} matched ${String(matched).padStart(5)}  missing ${String(missing).padStart(2)}  extra ${String(extra).padStart(2)}  excused ${String(total(excused)).padStart(4)}  unknown ${String(unknown).padStart(4)}`
    const notes = [...words('excused', excused), ...words('unknown', causes)]
    return [line, ...notes.map(note => `${''.padEnd(28)}${note}`)].join('\n')
  }
  return [...[...paths].sort(([a], [b]) => a < b ? -1 : 1).map(([path, tally]) => row(path, tally)), row('in sum', { ...sum, causes: new Map(), excused: sum.excused })].join('\n')
}

function total (counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

function words (what: string, counts: ReadonlyMap<string, number>): string[] {
  const told = [...counts].sort(([, a], [, b]) => b - a).map(([word, count]) => `${count} ${word}`)
  return told.length === 0 ? [] : [`${what}: ${told.join('; ')}`]
}
