import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { listSources, ROOT, toRepositoryPath } from './source-tree.ts'

function compilerOptions (): ts.CompilerOptions {
  const path = join(ROOT, 'tsconfig.json')
  const { config, error } = ts.readConfigFile(path, file => readFileSync(file, 'utf8'))

  if (error != null) {
    throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'))
  }
  return { ...ts.parseJsonConfigFileContent(config, ts.sys, ROOT).options, noEmit: true }
}

/** Types of the tree under `src/`, and of snippets laid over it */
export interface Typed {
  readonly program: ts.Program
  readonly checker: ts.TypeChecker
  /** A file of the program by its repository path */
  source (file: string): ts.SourceFile
}

function typed (program: ts.Program): Typed {
  return {
    program,
    checker: program.getTypeChecker(),
    source (file) {
      const source = program.getSourceFile(join(ROOT, file))

      if (source == null) {
        throw new Error(`${file} is not part of the program`)
      }
      return source
    }
  }
}

const options = compilerOptions()
const parsed = new Map<string, ts.SourceFile | undefined>()

function host (overlay: ReadonlyMap<string, string>): ts.CompilerHost {
  const base = ts.createCompilerHost(options)

  return {
    ...base,
    fileExists: file => overlay.has(toRepositoryPath(file)) || base.fileExists(file),
    readFile: file => overlay.get(toRepositoryPath(file)) ?? base.readFile(file),
    getSourceFile (file, version) {
      const text = overlay.get(toRepositoryPath(file))

      if (text != null) {
        return ts.createSourceFile(file, text, version, true)
      }
      if (!parsed.has(file)) {
        const text = base.readFile(file)
        parsed.set(file, text == null ? undefined : ts.createSourceFile(file, text, version, true))
      }
      return parsed.get(file)
    }
  }
}

let tree: Typed | undefined

/** The whole of `src/`, checked once per test file */
export function sourceTree (): Typed {
  tree ??= typed(ts.createProgram(listSources().map(file => join(ROOT, file)), options, host(new Map())))
  return tree
}

/** The tree with one more file, for rules that test themselves */
export function withSnippet (file: string, text: string): Typed {
  const roots = [...listSources(), file].map(path => join(ROOT, path))
  return typed(ts.createProgram(roots, options, host(new Map([[file, text]])), sourceTree().program))
}

/** Declared in this repository, not in a library or the platform's types */
export function isOwn (symbol: ts.Symbol | undefined): boolean {
  return symbol?.declarations?.some(declaration => !isLibraryFile(declaration.getSourceFile().fileName)) ?? false
}

export function isLibraryFile (path: string): boolean {
  return path.includes('/node_modules/')
}

export function skipAlias (symbol: ts.Symbol | undefined, checker: ts.TypeChecker): ts.Symbol | undefined {
  return symbol != null && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol
}

/** An implementation, not a signature in an interface that somebody else may stand behind */
export function hasBody (declaration: ts.Declaration | ts.SignatureDeclaration): boolean {
  return 'body' in declaration && declaration.body != null
}
