import ts from 'typescript'
import { hasBody, isLibraryFile, isOwn, skipAlias } from '../support/program.ts'
import { importsOf, isEgressFile, lineOf, visit } from '../support/source-tree.ts'
import type { Typed } from '../support/program.ts'
import type { Violation } from '../support/source-tree.ts'

const NETWORK_MODULES = new Set(['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'dns/promises', 'inspector', 'undici', 'ws', 'ioredis'])

/** What every platform offers without an import */
const NETWORK_GLOBALS = new Set(['fetch', 'WebSocket', 'WebSocketStream', 'EventSource', 'XMLHttpRequest', 'WebTransport', 'RTCPeerConnection', 'sendBeacon'])

/** libp2p's and Helia's ways to reach a peer */
const NETWORK_MEMBERS = new Set(['dial', 'dialProtocol', 'newStream', 'openStream', 'peerRouting', 'findProviders', 'findPeer', 'getClosestPeers'])

/** Servers accept what comes: what they may take of a network module */
const SERVER_FILES = [/^src\/gateway\/server\.ts$/, /^src\/testing\//]
const SERVER_NAMES = new Set(['createServer', 'Server', 'STATUS_CODES', 'METHODS', 'ServerResponse', 'IncomingMessage'])

export function isNetworkModule (specifier: string): boolean {
  const name = specifier.replace(/^node:/, '')
  return NETWORK_MODULES.has(name) || name.startsWith('undici/')
}

function isServerImport (file: string, names: readonly string[]): boolean {
  return SERVER_FILES.some(pattern => pattern.test(file)) && names.length > 0 && names.every(name => SERVER_NAMES.has(name))
}

function declaredInLibrary (symbol: ts.Symbol | undefined): boolean {
  return symbol?.declarations?.some(declaration => isLibraryFile(declaration.getSourceFile().fileName)) ?? false
}

/** A block broker as Helia declares it: foreign code that asks whom it likes */
function isBrokerCall (call: ts.CallExpression, checker: ts.TypeChecker): boolean {
  const { expression } = call

  if (!ts.isPropertyAccessExpression(expression) || expression.name.text !== 'retrieve') {
    return false
  }
  const symbol = checker.getSymbolAtLocation(expression.name)
  return symbol == null || !isOwn(symbol)
}

function isLibraryFetch (call: ts.CallExpression, checker: ts.TypeChecker): boolean {
  const declaration = checker.getResolvedSignature(call)?.declaration
  return declaration != null && !ts.isJSDocSignature(declaration) && isLibraryFile(declaration.getSourceFile().fileName) &&
    declaration.name != null && declaration.name.getText() === 'fetch'
}

/** libp2p's content routing finds providers; ours retrieves */
function isForeignContentRouting (node: ts.Node, checker: ts.TypeChecker): boolean {
  const type = checker.getNonNullableType(checker.getTypeAtLocation(node))
  return (type.flags & ts.TypeFlags.Any) !== 0 || type.getProperty('findProviders') != null || type.getProperty('provide') != null
}

/** Whether the identifier is evaluated: not a type, a declaration's own name, a property's name or a label */
function isReference (node: ts.Identifier): boolean {
  const { parent } = node

  if (ts.isPropertyAccessExpression(parent)) {
    return parent.expression === node
  }
  return !ts.isPartOfTypeNode(node) && !ts.isTypeQueryNode(parent) && !ts.isImportSpecifier(parent) &&
    !((ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isFunctionLike(parent) || ts.isPropertyDeclaration(parent) ||
      ts.isPropertySignature(parent) || ts.isPropertyAssignment(parent)) && parent.name === node)
}

function memberViolation (name: ts.Node, text: string, checker: ts.TypeChecker): string | undefined {
  if (text === 'contentRouting') {
    return isForeignContentRouting(name, checker) ? 'touches contentRouting of libp2p or Helia' : undefined
  }

  const symbol = checker.getSymbolAtLocation(name)

  if (NETWORK_MEMBERS.has(text)) {
    // an own function of that name is watched where it is written; behind a signature, or without a type, may be anything
    return isOwn(symbol) && symbol?.declarations?.some(hasBody) === true ? undefined : `touches .${text}`
  }
  if (NETWORK_GLOBALS.has(text) && (symbol == null || declaredInLibrary(symbol))) {
    return `touches ${text}`
  }
  return undefined
}

/** Everything outside egress files that could put bytes on a wire */
export function networkTouches (source: ts.SourceFile, file: string, { checker }: Typed): Violation[] {
  if (isEgressFile(file)) {
    return []
  }

  const violations: Violation[] = []
  const report = (node: ts.Node, message: string): void => {
    violations.push({ file, line: lineOf(node), message: `${message} outside an egress file` })
  }

  for (const { specifier, line, typeOnly, names } of importsOf(source)) {
    if (isNetworkModule(specifier) && !typeOnly && !isServerImport(file, names)) {
      violations.push({ file, line, message: `imports ${specifier} (${names.join(', ')}) outside an egress file` })
    }
  }

  visit(source, node => {
    if (ts.isIdentifier(node) && NETWORK_GLOBALS.has(node.text) && isReference(node)) {
      const shorthand = ts.isShorthandPropertyAssignment(node.parent)
      const symbol = skipAlias(shorthand ? checker.getShorthandAssignmentValueSymbol(node.parent) : checker.getSymbolAtLocation(node), checker)
      if (symbol == null || !isOwn(symbol)) {
        report(node, `touches ${node.text}`)
      }
    } else if (ts.isPropertyAccessExpression(node)) {
      const message = memberViolation(node.name, node.name.text, checker)
      if (message != null) {
        report(node, message)
      }
    } else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
      const message = memberViolation(node.argumentExpression, node.argumentExpression.text, checker)
      if (message != null) {
        report(node, message)
      }
    } else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = node.propertyName ?? node.name
      const text = ts.isIdentifier(name) || ts.isStringLiteralLike(name) ? name.text : ''
      const member = checker.getTypeAtLocation(node.parent).getProperty(text)
      if (text === 'contentRouting' ? isForeignContentRouting(node.name, checker) : (NETWORK_MEMBERS.has(text) || NETWORK_GLOBALS.has(text)) && !isOwn(member)) {
        report(node, `takes ${text} out`)
      }
    }

    if (ts.isCallExpression(node)) {
      if (isBrokerCall(node, checker)) {
        report(node, 'calls retrieve of a block broker')
      }
      if (isLibraryFetch(node, checker) && node.expression.getText() !== 'fetch') {
        report(node, `calls ${node.expression.getText()}, which is fetch by another name,`)
      }
    }
  })

  return violations
}
