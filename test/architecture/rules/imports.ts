import { importsOf, resolveRelative, roomOf } from '../support/source-tree.ts'
import type { Room } from '../support/architecture-table.ts'
import type { Violation } from '../support/source-tree.ts'
import type ts from 'typescript'

/** Arrows between rooms that the table does not allow, and imports that leave `src/` or have no `.ts` ending */
export function forbiddenArrows (source: ts.SourceFile, rooms: ReadonlyMap<string, Room>, exists: (file: string) => boolean): Violation[] {
  const file = source.fileName
  const from = roomOf(file)
  const room = from == null ? undefined : rooms.get(from)
  const violations: Violation[] = []

  if (from != null && room == null) {
    return [{ file, line: 1, message: `the room ${from} has no row in docs/architecture.md` }]
  }

  for (const { specifier, line } of importsOf(source)) {
    if (specifier.startsWith('<')) {
      violations.push({ file, line, message: `imports ${specifier}, which cannot be read from the source` })
      continue
    }

    if (specifier === 'portolan' || specifier.startsWith('portolan/') || specifier.startsWith('#')) {
      violations.push({ file, line, message: `imports ${specifier}: own files are imported by their paths` })
      continue
    }

    const target = resolveRelative(file, specifier)

    if (target == null) {
      continue
    }

    if (!target.startsWith('src/') || !target.endsWith('.ts')) {
      violations.push({ file, line, message: `imports ${specifier}: own imports stay in src/ and end in .ts` })
      continue
    }

    if (!exists(target)) {
      violations.push({ file, line, message: `imports ${specifier}, which does not exist` })
      continue
    }

    const to = roomOf(target)

    if (room == null || room.mayImport === 'everything' || to === from) {
      continue
    }

    if (to == null) {
      violations.push({ file, line, message: `imports ${target}: rooms know nothing of the composition roots` })
    } else if (!room.mayImport.includes(to)) {
      violations.push({ file, line, message: `${room.name} may not import ${to} (${specifier})` })
    }
  }

  return violations
}

/** Cycles of value imports, each once, as the files along it */
export function importCycles (sources: readonly ts.SourceFile[]): string[][] {
  const graph = new Map(sources.map(source => [
    source.fileName,
    importsOf(source)
      .filter(edge => !edge.typeOnly)
      .map(edge => resolveRelative(source.fileName, edge.specifier))
      .filter(target => target != null)
  ]))
  const done = new Set<string>()
  const path: string[] = []
  const cycles: string[][] = []

  const walk = (file: string): void => {
    const at = path.indexOf(file)

    if (at >= 0) {
      cycles.push(path.slice(at))
      return
    }
    if (done.has(file)) {
      return
    }

    path.push(file)
    for (const target of graph.get(file) ?? []) {
      walk(target)
    }
    path.pop()
    done.add(file)
  }

  for (const file of graph.keys()) {
    walk(file)
  }
  return cycles
}
