import { BESIDES, PATHS, pathOfSighting, pathsOf } from './path-of.ts'
import type { Compared } from './compare.ts'
import type { Known } from './path-of.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'

export interface PathRow {
  matched: number
  missing: number
  extra: number
  unknown: number
  /** Reads of which it is known that they went this way: of what told nobody anything there is nothing else to count */
  reads: number
  /** Messages in each mode, or reads where there are none */
  readonly modes: Map<PrivacyMode, number>
}

export type PathTable = ReadonlyMap<string, PathRow>

export interface Played extends Known {
  /** Reads of what was here */
  readonly hits: number
  /** Reads that joined another one */
  readonly joined: number
}

const MODES: readonly PrivacyMode[] = ['open', 'balanced', 'strict']

/** What was compared, by the path that it took: a message stands in the line of its way, and in those of what caused it */
export function byPath (groups: readonly Compared[], mode: PrivacyMode, played: Played): PathTable {
  const rows = new Map<string, PathRow>()
  const count = (path: string, what: 'matched' | 'missing' | 'extra' | 'unknown' | 'reads', times = 1): void => {
    const row = rows.get(path) ?? emptyRow()
    rows.set(path, row)
    row[what] += times
    row.modes.set(mode, (row.modes.get(mode) ?? 0) + times)
  }

  for (const { line: { what: said }, tally: { matched, missing, extra }, entries, sightings } of groups) {
    let left = extra

    entries.forEach(({ entry }, i) => {
      // of a CANCEL the ledger says that there was one: what became of the want is another matter
      const what = entry.state === 'unknown' && said !== 'cancelled' ? 'unknown' : i < matched ? 'matched' : left-- > 0 ? 'extra' : undefined
      if (what != null) {
        pathsOf(entry, sightings[i], played).forEach(path => { count(path, what) })
      }
    })
    sightings.slice(sightings.length - missing).forEach(sighting => { count(pathOfSighting(sighting), 'missing') })
  }
  if (played.hits > 0) {
    count('cache hit', 'reads', played.hits)
  }
  if (played.joined > 0) {
    const row = rows.get('coalesced') ?? emptyRow()
    rows.set('coalesced', row)
    row.reads += played.joined
  }
  return rows
}

export function allPaths (tables: readonly PathTable[]): PathTable {
  const all = new Map<string, PathRow>()

  for (const [path, { modes, ...counts }] of tables.flatMap(table => [...table])) {
    const row = all.get(path) ?? emptyRow()
    all.set(path, row)
    for (const what of ['matched', 'missing', 'extra', 'unknown', 'reads'] as const) {
      row[what] += counts[what]
    }
    modes.forEach((count, mode) => { row.modes.set(mode, (row.modes.get(mode) ?? 0) + count) })
  }
  return all
}

/** @param width - of the terminal: what does not fit in a line is left out from the right */
export function pathLines (table: PathTable, width = 120): string {
  const names = [...PATHS, ...[...table.keys()].filter(name => name.startsWith('failure')).sort(), ...BESIDES]
  const others = [...table.keys()].filter(name => !names.includes(name)).sort()
  const lines = [...names, ...others].map(name => {
    const { matched, missing, extra, unknown, reads, modes } = table.get(name) ?? emptyRow()
    return [name, ...[matched, missing, extra, unknown].map(String), reads === 0 ? '' : String(reads), ...MODES.map(mode => String(modes.get(mode) ?? 0))]
  })
  const cells = [['by path', 'matched', 'missing', 'extra', 'unknown', 'reads', ...MODES], ...lines]
  const widths = cells[0]?.map((_, i) => Math.max(...cells.map(line => line[i]?.length ?? 0))) ?? []

  return cells.map(line => {
    let text = ''
    for (const [i, cell] of line.entries()) {
      const next = i === 0 ? cell.padEnd(widths[i] ?? 0) : `  ${cell.padStart(widths[i] ?? 0)}`
      if (text.length + next.length > width) {
        break
      }
      text += next
    }
    return text.trimEnd()
  }).join('\n')
}

function emptyRow (): PathRow {
  return { matched: 0, missing: 0, extra: 0, unknown: 0, reads: 0, modes: new Map() }
}
