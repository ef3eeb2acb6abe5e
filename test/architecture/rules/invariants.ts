import ts from 'typescript'
import { visit } from '../support/source-tree.ts'

/** One line of docs/invariants.md: what must never break, and the tests that would notice */
export interface Invariant {
  readonly claim: string
  readonly tests: ReadonlyArray<{ file: string, title: string }>
}

/** `- claim` on lines of its own, then one `` - `file` › title `` per test, indented */
export function parseInvariants (markdown: string): Invariant[] {
  const invariants: Array<{ claim: string, tests: Array<{ file: string, title: string }> }> = []

  for (const line of markdown.split('\n')) {
    const test = /^ {2}- `([^`]+)` › (.+)$/.exec(line)

    if (line.startsWith('- ')) {
      invariants.push({ claim: line.slice(2), tests: [] })
    } else if (test != null) {
      const [, file = '', title = ''] = test
      invariants.at(-1)?.tests.push({ file, title: title.trim() })
    } else if (/^ {2}- /.test(line)) {
      throw new Error(`This line names no test: ${line}`)
    }
  }
  return invariants
}

/** Titles of `it` and `test`, `.each` included, as they are written */
export function titlesOf (source: ts.SourceFile): Set<string> {
  const titles = new Set<string>()

  visit(source, node => {
    if (ts.isCallExpression(node) && /^(it|test)\b/.test(node.expression.getText(source))) {
      const [title] = node.arguments
      if (title != null && ts.isStringLiteralLike(title)) {
        titles.add(title.text)
      } else if (title != null && ts.isTemplateExpression(title)) {
        titles.add(title.getText(source).slice(1, -1))
      }
    }
  })
  return titles
}

/** Claims without a test, tests that are not there */
export function invariantFaults (invariants: readonly Invariant[], titles: (file: string) => ReadonlySet<string> | undefined): string[] {
  return invariants.flatMap(({ claim, tests }) => {
    if (tests.length === 0) {
      return [`No test: ${claim}`]
    }
    return tests.flatMap(({ file, title }) => {
      const found = titles(file)
      if (found == null) {
        return [`${file} does not exist: ${claim}`]
      }
      return found.has(title) ? [] : [`${file} has no test "${title}": ${claim}`]
    })
  })
}
