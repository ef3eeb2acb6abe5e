import { builtinModules } from 'node:module'
import ts from 'typescript'
import { importsOf, lineOf, packageOf, resolveRelative, visit } from '../support/source-tree.ts'
import type { Violation } from '../support/source-tree.ts'

/** Packages that open files or sockets, or have native parts; the types of them are harmless */
const NODE_PACKAGES = new Set([
  'undici', 'ws', 'blockstore-level', 'datastore-level', 'level', 'classic-level', 'blockstore-fs', 'datastore-fs',
  '@libp2p/tcp', '@libp2p/tls', '@libp2p/mdns'
])

const NODE_GLOBALS = new Set(['Buffer', 'process', 'require', '__dirname', '__filename', 'global', 'setImmediate'])

function isBuiltin (specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0] ?? specifier)
}

/** What of this file a browser does not have */
export function nodeOnly (source: ts.SourceFile): Violation[] {
  const file = source.fileName
  const violations: Violation[] = []

  for (const { specifier, line, typeOnly } of importsOf(source)) {
    if (isBuiltin(specifier)) {
      // types too: they would ask a browser's project for Node's declarations
      violations.push({ file, line, message: `imports ${specifier}` })
    } else if (!typeOnly && NODE_PACKAGES.has(packageOf(specifier))) {
      violations.push({ file, line, message: `imports ${specifier}, which is for Node only` })
    }
  }

  visit(source, node => {
    if (ts.isPropertyAccessExpression(node) && node.expression.getText(source) === 'globalThis' && NODE_GLOBALS.has(node.name.text)) {
      violations.push({ file, line: lineOf(node), message: `uses globalThis.${node.name.text}` })
    } else if (ts.isIdentifier(node) && NODE_GLOBALS.has(node.text) && isGlobalUse(node)) {
      violations.push({ file, line: lineOf(node), message: `uses ${node.text}` })
    } else if (ts.isTypeReferenceNode(node) && /^(NodeJS\.|Buffer$)/.test(node.typeName.getText(source))) {
      violations.push({ file, line: lineOf(node), message: `uses the type ${node.typeName.getText(source)}` })
    }
  })
  return violations
}

function isGlobalUse (node: ts.Identifier): boolean {
  const { parent } = node
  const named = (ts.isPropertyAccessExpression(parent) || ts.isMethodDeclaration(parent) || ts.isMethodSignature(parent) || ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent) || ts.isPropertyAssignment(parent) || ts.isParameter(parent) || ts.isVariableDeclaration(parent) || ts.isFunctionDeclaration(parent)) && parent.name === node
  return !named && !ts.isTypeReferenceNode(parent) && !ts.isQualifiedName(parent)
}

/** Files that loading `entries` loads, each with the way to it. Types load nothing, so they are not followed. */
export function loadedBy (entries: readonly string[], read: (file: string) => ts.SourceFile): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>()
  const walk = (file: string, way: readonly string[]): void => {
    if (ways.has(file)) {
      return
    }
    ways.set(file, way)
    for (const { specifier, typeOnly } of importsOf(read(file))) {
      const target = typeOnly ? undefined : resolveRelative(file, specifier)
      if (target != null) {
        walk(target, [...way, target])
      }
    }
  }

  for (const entry of entries) {
    walk(entry, [entry])
  }
  return ways
}
