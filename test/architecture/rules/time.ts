import ts from 'typescript'
import { importsOf, lineOf, visit } from '../support/source-tree.ts'
import type { Violation } from '../support/source-tree.ts'

/** Objects of the platform, and what of them reads time, rolls dice or starts a timer */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Date: ['now'],
  Math: ['random'],
  performance: ['now', 'timeOrigin', 'mark', 'measure'],
  process: ['hrtime', 'uptime'],
  AbortSignal: ['timeout'],
  Atomics: ['wait', 'waitAsync']
}

const TIMERS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'requestAnimationFrame', 'requestIdleCallback'])
const TIMER_MODULES = new Set(['timers', 'timers/promises', 'perf_hooks'])

/** Direct use of the machine's time and dice, which replay and virtual clocks cannot reach */
export function machineTime (source: ts.SourceFile): Violation[] {
  const file = source.fileName
  const violations: Violation[] = []
  const report = (node: ts.Node, what: string): void => {
    violations.push({ file, line: lineOf(node), message: `uses ${what}: take it from the Clock or Random that is passed in` })
  }

  for (const { specifier, line, typeOnly } of importsOf(source)) {
    if (!typeOnly && TIMER_MODULES.has(specifier.replace(/^node:/, ''))) {
      violations.push({ file, line, message: `imports ${specifier}` })
    }
  }

  visit(source, node => {
    if (ts.isPropertyAccessExpression(node)) {
      const object = ts.isPropertyAccessExpression(node.expression) ? node.expression.name.text : node.expression.getText(source)
      if (Object.hasOwn(MEMBERS, object) && MEMBERS[object]?.includes(node.name.text) === true) {
        report(node, `${object}.${node.name.text}`)
      } else if (TIMERS.has(node.name.text) && /^(globalThis|window|self|global)$/.test(object)) {
        report(node, node.name.text)
      }
    } else if (ts.isIdentifier(node) && TIMERS.has(node.text) && !ts.isPropertyAccessExpression(node.parent) && !ts.isTypeQueryNode(node.parent)) {
      report(node, node.text)
    } else if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText(source) === 'Date' && (node.arguments?.length ?? 0) === 0) {
      report(node, 'the current Date')
    }
  })
  return violations
}
