import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'

export const ROOT = join(import.meta.dirname, '..', '..', '..')

/** Something that a rule does not allow: where, and what is wrong with it */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly message: string
}

export function formatViolations (violations: readonly Violation[]): string[] {
  return violations.map(({ file, line, message }) => `${file}:${line} ${message}`)
}

export function toRepositoryPath (path: string): string {
  return relative(ROOT, path).split(sep).join('/')
}

/** Paths below the repository's root, with forward slashes, sorted */
export function listFiles (folder: string, suffix: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map(path => `${folder}/${path.split(sep).join('/')}`)
    .filter(path => path.endsWith(suffix))
    .sort()
}

export function listSources (): string[] {
  return listFiles('src', '.ts')
}

export function readRepositoryFile (path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

export function parse (file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.ES2024, true)
}

export function lineOf (node: ts.Node): number {
  const source = node.getSourceFile()
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
}

export function visit (node: ts.Node, visitor: (node: ts.Node) => void): void {
  visitor(node)
  ts.forEachChild(node, child => { visit(child, visitor) })
}

export interface ImportEdge {
  readonly specifier: string
  readonly line: number
  /** Erased by the compiler: nothing is loaded for it */
  readonly typeOnly: boolean
  /** Names as the other module exports them; `*` for a namespace or a dynamic import, `default` */
  readonly names: readonly string[]
}

/** Static imports, re-exports, dynamic `import()`, `import type` and `import('x')` types, `require` */
export function importsOf (source: ts.SourceFile): ImportEdge[] {
  const edges: ImportEdge[] = []
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean, names: string[]): void => {
    // what is not a literal cannot be checked, so that it matches no rule that allows something
    const text = specifier != null && ts.isStringLiteralLike(specifier) ? specifier.text : `<${specifier?.getText(source) ?? 'nothing'}>`
    edges.push({ specifier: text, line: lineOf(node), typeOnly, names })
  }

  visit(source, node => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause
      const bindings = clause?.namedBindings
      const elements = bindings != null && ts.isNamedImports(bindings) ? [...bindings.elements] : []
      const names = elements.filter(element => !element.isTypeOnly).map(element => (element.propertyName ?? element.name).text)
      if (clause?.name != null) {
        names.push('default')
      }
      if (bindings != null && ts.isNamespaceImport(bindings)) {
        names.push('*')
      }
      const onlyTypes = elements.length > 0 && names.length === 0
      add(node, node.moduleSpecifier, clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || onlyTypes, names)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier != null) {
      add(node, node.moduleSpecifier, node.isTypeOnly, ['*'])
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true, ['*'])
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node, node.moduleReference.expression, node.isTypeOnly, ['*'])
    } else if (ts.isCallExpression(node)) {
      const { expression } = node
      const dynamic = expression.kind === ts.SyntaxKind.ImportKeyword
      const required = ts.isIdentifier(expression) && expression.text === 'require'
      if (dynamic || required) {
        add(node, node.arguments[0], false, ['*'])
      }
    }
  })

  return edges
}

/** The repository path that a relative specifier of `file` means; undefined for a package */
export function resolveRelative (file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) {
    return undefined
  }
  return join(file, '..', specifier).split(sep).join('/')
}

/** `src/routing/select.ts` → `routing`; undefined for the files directly under `src/` */
export function roomOf (file: string): string | undefined {
  const parts = file.split('/')
  return parts.length > 2 ? parts[1] : undefined
}

export function isEgressFile (file: string): boolean {
  return /(^|\/|-)egress\.ts$/.test(file)
}

/** `@scope/name/sub` → `@scope/name`, `name/sub` → `name`, `node:fs` → `node:fs` */
export function packageOf (specifier: string): string {
  return specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier.split('/')[0] ?? specifier
}
