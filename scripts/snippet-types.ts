import { join } from 'node:path'
import ts from 'typescript'
import { ownEntries } from './own-entries.ts'
import type { Snippet } from './markdown-snippets.ts'

const ROOT = join(import.meta.dirname, '..')
const INDEX = join(ROOT, 'src', 'index.ts')

/** The compiler's code for a name that is declared nowhere */
const CANNOT_FIND_NAME = new Set([2304, 2552, 18004])

/** What an example in a doc comment may use without saying where it came from */
const GIVEN: Readonly<Record<string, string>> = {
  blocks: "import('../src/testing/index.ts').SampleFile['blocks']",
  bytes: 'Uint8Array',
  cid: "import('multiformats/cid').CID",
  components: "import('../src/gateway/components.ts').GatewayComponents",
  helia: "ReturnType<typeof import('../src/index.ts').withContentRouting>",
  load: "import('../src/interface/unixfs.ts').BlockLoader",
  policy: "import('../src/provider/address.ts').AddressPolicy"
}

function compilerOptions (): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), path => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)

  return {
    ...options,
    noEmit: true,
    // a snippet shows what exists, not what is done with it
    noUnusedLocals: false,
    paths: Object.fromEntries(Object.entries(ownEntries()).map(([name, path]) => [name, [path]]))
  }
}

export interface CheckedFile {
  readonly snippet: Snippet
  readonly path: string
  readonly text: string
}

/**
 * What the compiler says of each snippet. Examples in doc comments see what
 * their file exports, what the package exports and a few given names; snippets of
 * pages see nothing that they do not import.
 */
export function typeErrors (files: readonly CheckedFile[]): string[][] {
  const options = compilerOptions()
  const texts = new Map(files.map(({ path, text }) => [path, text]))
  const base = ts.createCompilerHost(options)
  const host: ts.CompilerHost = {
    ...base,
    fileExists: path => texts.has(path) || base.fileExists(path),
    readFile: path => texts.get(path) ?? base.readFile(path),
    getSourceFile: (path, version) => {
      const text = texts.get(path) ?? base.readFile(path)
      return text == null ? undefined : ts.createSourceFile(path, text, version, true)
    }
  }
  const roots = [INDEX, ...files.flatMap(({ snippet, path }) => isSource(snippet) ? [path, join(ROOT, snippet.page)] : [path])]
  const first = ts.createProgram(roots, options, host)
  const preludes = files.map(file => isSource(file.snippet) ? prelude(file, first) : '')

  for (const [i, { path, text }] of files.entries()) {
    // on the snippet's first line, so that the compiler counts as its reader does
    texts.set(path, `${preludes[i] ?? ''}${text}`)
  }

  const second = ts.createProgram(roots, options, host, first)
  return files.map(({ path }) => diagnosticsOf(second, path).map(({ start, messageText, file }) => {
    const line = file == null || start == null ? 0 : file.getLineAndCharacterOfPosition(start).line
    return `line ${line + 1} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  }))
}

function isSource (snippet: Snippet): boolean {
  return snippet.page.endsWith('.ts')
}

function diagnosticsOf (program: ts.Program, path: string): ts.Diagnostic[] {
  const source = program.getSourceFile(path)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
}

function exportsOf (program: ts.Program, path: string): Set<string> {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(path)
  const symbol = source == null ? undefined : checker.getSymbolAtLocation(source)
  return new Set(symbol == null ? [] : checker.getExportsOfModule(symbol).map(({ name }) => name))
}

/** Imports and declarations for the names that an example leaves out */
function prelude ({ snippet, path }: CheckedFile, program: ts.Program): string {
  const missing = new Set(diagnosticsOf(program, path)
    .filter(({ code }) => CANNOT_FIND_NAME.has(code))
    .map(({ messageText }) => /'([^']+)'/.exec(ts.flattenDiagnosticMessageText(messageText, '\n'))?.[1] ?? ''))
  const own = exportsOf(program, join(ROOT, snippet.page))
  const whole = exportsOf(program, INDEX)

  return [...missing].map(name => {
    if (own.has(name)) {
      return `import { ${name} } from '../${snippet.page}'; `
    }
    if (whole.has(name)) {
      return `import { ${name} } from '../src/index.ts'; `
    }
    return GIVEN[name] == null ? '' : `declare const ${name}: ${GIVEN[name]}; `
  }).join('')
}
