import ts from 'typescript'
import { lineOf, visit } from '../support/source-tree.ts'
import type { Violation } from '../support/source-tree.ts'

const NAME = /^(portolan|privacy|process|nodejs)(_[a-z0-9]+)+$/
const REGISTRATION = /^register(Counter|Metric|Histogram|Summary)(Group)?$/

export interface Registered {
  readonly names: readonly string[]
  /** Registrations whose name nobody can look up in a document */
  readonly unreadable: readonly Violation[]
}

/** Names of the metrics that a file registers, directly or through a function of its own */
export function metricsOf (source: ts.SourceFile): Registered {
  const names: string[] = []
  const unreadable: Violation[] = []

  visit(source, node => {
    if (!ts.isCallExpression(node)) {
      return
    }
    const [first] = node.arguments
    const registers = ts.isPropertyAccessExpression(node.expression) && REGISTRATION.test(node.expression.name.text)

    if (first != null && ts.isStringLiteralLike(first) && (registers || NAME.test(first.text))) {
      names.push(first.text)
      if (!NAME.test(first.text)) {
        unreadable.push({ file: source.fileName, line: lineOf(node), message: `${first.text} is no name of a metric of ours` })
      }
    } else if (registers && !isParameter(first)) {
      unreadable.push({ file: source.fileName, line: lineOf(node), message: 'registers a metric under a computed name' })
    }
  })
  return { names, unreadable }
}

function isParameter (node: ts.Node | undefined): boolean {
  if (node == null || !ts.isIdentifier(node)) {
    return false
  }
  return ts.findAncestor(node, parent => ts.isFunctionLike(parent) &&
    parent.parameters.some(parameter => parameter.name.getText() === node.text)) != null
}

/** Names in the first column of the tables of docs/metrics.md */
export function documentedMetrics (markdown: string): string[] {
  return [...markdown.matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(match => match[1] ?? '')
}
