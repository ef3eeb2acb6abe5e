import ts from 'typescript'
import { lineOf, visit } from '../support/source-tree.ts'
import type { Typed } from '../support/program.ts'
import type { Violation } from '../support/source-tree.ts'

/** Rooms below `retrieve`: a read there must not wait for the lock of a read above */
export const UNDER_RETRIEVAL = ['routing', 'exchange', 'discovery', 'gateway', 'unixfs']

/** Helia's locked store makes sessions and unwraps; a raw blockstore does neither */
function isLockedStore (node: ts.Node, checker: ts.TypeChecker): boolean {
  const type = checker.getNonNullableType(checker.getTypeAtLocation(node))
  return (type.flags & ts.TypeFlags.Any) !== 0 || type.getProperty('createSession') != null || type.getProperty('unwrap') != null
}

/** `.blockstore` of a Helia node, other than `.blockstore.unwrap` */
export function lockedReads (source: ts.SourceFile, file: string, { checker }: Typed): Violation[] {
  const violations: Violation[] = []
  const report = (node: ts.Node): void => {
    violations.push({ file, line: lineOf(node), message: 'touches a blockstore that locks through fetches: use unwrap()' })
  }

  visit(source, node => {
    const unwrapped = !ts.isSourceFile(node) && ts.isPropertyAccessExpression(node.parent) && node.parent.expression === node && node.parent.name.text === 'unwrap'

    if (ts.isPropertyAccessExpression(node) && node.name.text === 'blockstore' && !unwrapped && isLockedStore(node, checker)) {
      report(node)
    } else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression) && node.argumentExpression.text === 'blockstore' && !unwrapped && isLockedStore(node, checker)) {
      report(node)
    } else if (ts.isBindingElement(node) && (node.propertyName ?? node.name).getText() === 'blockstore' && isLockedStore(node.name, checker)) {
      report(node)
    }
  })
  return violations
}
