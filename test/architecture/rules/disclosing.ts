import ts from 'typescript'
import { hasBody, isLibraryFile, skipAlias } from '../support/program.ts'
import { lineOf, visit } from '../support/source-tree.ts'
import { isNetworkModule } from './egress.ts'
import type { Typed } from '../support/program.ts'
import type { Violation } from '../support/source-tree.ts'

/** Methods of libraries that write, or make somebody write */
const WRITING_METHODS = new Set([
  'dispatch', 'request', 'stream', 'pipeline', 'upgrade', 'connect',
  'dial', 'dialProtocol', 'newStream', 'openStream', 'send',
  'findProviders', 'findPeer', 'getClosestPeers', 'provide', 'retrieve', 'announce', 'lookup', 'resolve', 'resolve4', 'resolve6', 'resolveAny', 'resolveSrv', 'resolveTxt', 'reverse'
])

/** All that a client of Redis does is commands, but for these */
const REDIS_LIBRARY = /\/node_modules\/ioredis\//
const NOT_COMMANDS = new Set(['on', 'once', 'off', 'disconnect'])

/** Such a method writes also behind a local interface that names only the part that is used */
const ALWAYS_WRITING = new Set(['dial', 'dialProtocol', 'newStream', 'openStream', 'findProviders', 'findPeer', 'getClosestPeers', 'provide'])

/** Libraries whose methods of such names write; `Promise.resolve` and the like do not */
const NETWORK_LIBRARIES = /\/node_modules\/(undici|undici-types|@libp2p|libp2p|@helia|helia)\//
const NETWORK_NODE_TYPES = /\/node_modules\/@types\/node\/(net|tls|http|https|http2|dgram|dns)(\/promises)?\.d\.ts$/

/** A function of an egress file that writes, and whether every way to it holds a disclosure */
export interface Writer {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly call: string
  readonly accounted: boolean
}

type FunctionNode = ts.FunctionLikeDeclaration | ts.ClassStaticBlockDeclaration

function isWriting (call: ts.CallExpression | ts.NewExpression, checker: ts.TypeChecker): boolean {
  const declaration = checker.getResolvedSignature(call)?.declaration
  const path = declaration?.getSourceFile().fileName ?? ''
  const { expression } = call
  const fetchLike = declaration != null && !ts.isJSDocSignature(declaration) && declaration.name?.getText() === 'fetch' && isLibraryFile(path)

  if (fetchLike || (ts.isIdentifier(expression) && ['fetch', 'WebSocket', 'EventSource'].includes(expression.text) && (declaration == null || isLibraryFile(path)))) {
    return true
  }
  if (ts.isNewExpression(call)) {
    return false
  }
  if (ts.isIdentifier(expression)) {
    return importedFromNetwork(expression, checker)
  }
  if (ts.isPropertyAccessExpression(expression) && REDIS_LIBRARY.test(path) && !NOT_COMMANDS.has(expression.name.text)) {
    return true
  }
  if (!ts.isPropertyAccessExpression(expression) || !WRITING_METHODS.has(expression.name.text)) {
    return false
  }
  // without a type it may be anything
  return declaration == null || (ALWAYS_WRITING.has(expression.name.text) && !hasBody(declaration)) || NETWORK_LIBRARIES.test(path) || NETWORK_NODE_TYPES.test(path)
}

/** `import { request } from 'undici'`, `import { lookup } from 'node:dns'`; constructors and builders of agents do not write */
function importedFromNetwork (identifier: ts.Identifier, checker: ts.TypeChecker): boolean {
  const specifier = checker.getSymbolAtLocation(identifier)?.declarations?.find(declaration => ts.isImportSpecifier(declaration))

  if (specifier == null) {
    return false
  }
  const module = specifier.parent.parent.parent.moduleSpecifier
  const name = (specifier.propertyName ?? specifier.name).text
  return ts.isStringLiteral(module) && isNetworkModule(module.text) && !['createServer', 'buildConnector', 'isIP', 'isIPv4', 'isIPv6'].includes(name)
}

/** A `Disclosure`, or a class of ours that keeps one */
function carriesDisclosure (type: ts.Type, checker: ts.TypeChecker): boolean {
  const types = type.isUnionOrIntersection() ? type.types : [type]

  return types.some(part => {
    const symbol = part.getSymbol()
    if (symbol?.name === 'Disclosure') {
      return true
    }
    const declaration = symbol?.declarations?.find(node => ts.isClassDeclaration(node))
    return declaration != null && !isLibraryFile(declaration.getSourceFile().fileName) && declaration.members.some(member =>
      ts.isPropertyDeclaration(member) && checker.getTypeAtLocation(member).getSymbol()?.name === 'Disclosure')
  })
}

/** A parameter, a field or a call inside the function has the token in hand. Inner functions speak for themselves. */
function holds (fn: FunctionNode, checker: ts.TypeChecker): boolean {
  let found = false
  const look = (node: ts.Node): void => {
    if (found || (node !== fn && ts.isFunctionLike(node))) {
      return
    }
    if (ts.isParameter(node) || ts.isCallExpression(node) || ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
      if (!ts.isPartOfTypeNode(node) && !(ts.isIdentifier(node) && isOwnName(node)) && carriesDisclosure(checker.getTypeAtLocation(node), checker)) {
        found = true
        return
      }
    }
    ts.forEachChild(node, look)
  }
  look(fn)
  return found
}

function isOwnName (node: ts.Identifier): boolean {
  return ts.isClassLike(node.parent) || (ts.isFunctionLike(node.parent) && node.parent.name === node)
}

function enclosingFunction (node: ts.Node): FunctionNode | undefined {
  return ts.findAncestor(node.parent, parent => ts.isFunctionLike(parent) || ts.isClassStaticBlockDeclaration(parent)) as FunctionNode | undefined
}

function nameNode (fn: FunctionNode): ts.Node | undefined {
  if (ts.isClassStaticBlockDeclaration(fn)) {
    return undefined
  }
  if (fn.name != null) {
    return fn.name
  }
  const { parent } = fn
  return (ts.isVariableDeclaration(parent) || ts.isPropertyDeclaration(parent) || ts.isPropertyAssignment(parent)) ? parent.name : undefined
}

/** Reachable from other files: exported, or a public method of something that leaves the file */
function isEntry (fn: FunctionNode): boolean {
  const declaration = ts.isVariableDeclaration(fn.parent) ? fn.parent.parent.parent : fn
  const modifiers = ts.canHaveModifiers(declaration) ? ts.getModifiers(declaration) ?? [] : []

  if (modifiers.some(modifier => modifier.kind === ts.SyntaxKind.ExportKeyword)) {
    return true
  }
  const member = ts.isPropertyDeclaration(fn.parent) ? fn.parent : fn
  const name = nameNode(fn)
  return ts.isClassLike(member.parent) && name != null && !ts.isPrivateIdentifier(name)
}

function describe (fn: FunctionNode | undefined): string {
  if (fn == null) {
    return 'the module itself'
  }
  const name = nameNode(fn)?.getText() ?? (ts.isConstructorDeclaration(fn) ? 'constructor' : undefined)
  const owner = ts.isClassLike(fn.parent) ? fn.parent.name?.text : undefined
  const outer = name == null || owner != null ? undefined : enclosingFunction(fn)

  if (name == null) {
    return describe(enclosingFunction(fn))
  }
  return owner != null ? `${owner}.${name}` : outer != null ? `${describe(outer)}.${name}` : name
}

/** Every write of an egress file */
export function writersOf (source: ts.SourceFile, file: string, { checker }: Typed): Writer[] {
  const references = new Map<ts.Symbol, ts.Node[]>()
  visit(source, node => {
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) {
      const symbol = skipAlias(checker.getSymbolAtLocation(node), checker)
      if (symbol != null) {
        references.set(symbol, [...references.get(symbol) ?? [], node])
      }
    }
  })

  /** Every way into `fn` passes a function that holds a disclosure */
  const accounted = (fn: FunctionNode | undefined, seen: ReadonlySet<FunctionNode>): boolean => {
    if (fn == null) {
      return false
    }
    if (holds(fn, checker) || seen.has(fn)) {
      return true
    }
    if (isEntry(fn)) {
      return false
    }
    const name = nameNode(fn)
    const symbol = name == null ? undefined : checker.getSymbolAtLocation(name)
    const uses = symbol == null ? [] : (references.get(symbol) ?? []).filter(use => use !== name)
    const ways = uses.map(use => enclosingFunction(use))

    // a function without a name, or that goes out in an object, is reached through whoever wrote it down
    if (ways.length === 0 || ts.isObjectLiteralExpression(fn.parent)) {
      ways.push(enclosingFunction(fn))
    }
    return ways.every(way => accounted(way, new Set([...seen, fn])))
  }

  const writers: Writer[] = []
  visit(source, node => {
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && isWriting(node, checker)) {
      const fn = enclosingFunction(node)
      writers.push({ file, line: lineOf(node), name: describe(fn), call: node.expression.getText(), accounted: accounted(fn, new Set()) })
    }
  })
  return writers
}

/** The expressions that a node hands to somebody else: arguments, properties of an object, a result */
function givenAway (node: ts.Node): readonly ts.Expression[] {
  if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    return node.arguments ?? []
  }
  if (ts.isPropertyAssignment(node)) {
    return [node.initializer]
  }
  if (ts.isShorthandPropertyAssignment(node)) {
    return [node.name]
  }
  return ts.isReturnStatement(node) && node.expression != null ? [node.expression] : []
}

/** A token that is used must be settled: somewhere in the file it becomes sent, and somewhere it fails */
export function unsettled (source: ts.SourceFile, file: string, { checker }: Typed): Violation[] {
  const settled = new Set<string>()
  let uses: ts.Node | undefined
  let handedOn = false
  const isToken = (node: ts.Node): boolean => checker.getNonNullableType(checker.getTypeAtLocation(node)).getSymbol()?.name === 'Disclosure'

  visit(source, node => {
    if (ts.isCallExpression(node)) {
      if (ts.isPropertyAccessExpression(node.expression) && isToken(node.expression.expression)) {
        settled.add(node.expression.name.text)
      }
      if (isToken(node)) {
        uses ??= node
      }
    }
    handedOn ||= givenAway(node).some(isToken)
    if (ts.isParameter(node) && isToken(node)) {
      uses ??= node
    }
  })

  if (uses == null || handedOn || (settled.has('sent') && (settled.has('notSent') || settled.has('unknown')))) {
    return []
  }
  return [{ file, line: lineOf(uses), message: 'takes a disclosure, hands it to nobody and does not settle it both ways' }]
}
