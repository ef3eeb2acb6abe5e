/**
 * Type-checks every `ts` block of README.md and docs/, and runs those that are
 * marked with ` ```ts run `. The last line says how many passed and failed.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { markdownSnippets } from './markdown-snippets.ts'
import type { Snippet } from './markdown-snippets.ts'

const ROOT = join(import.meta.dirname, '..')
/** A snippet shows one thing on loopback: seconds, even on a busy machine */
const RUN_TIMEOUT = 60_000

async function pages (): Promise<string[]> {
  const docs = await readdir(join(ROOT, 'docs'), { recursive: true })
  return ['README.md', ...docs.filter(path => path.endsWith('.md')).map(path => join('docs', path)).sort()]
}

/** What the compiler says of each file */
function typeErrors (files: readonly string[]): Map<string, string[]> {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), path => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const program = ts.createProgram(files, {
    ...options,
    noEmit: true,
    // a snippet shows what exists, not what is done with it
    noUnusedLocals: false,
    paths: { portolan: [join(ROOT, 'src/index.ts')], 'portolan/testing': [join(ROOT, 'src/testing/index.ts')] }
  })

  return new Map(files.map(file => {
    const source = program.getSourceFile(file)
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    return [file, diagnostics.map(({ start, messageText, file: at }) => {
      const line = at == null || start == null ? 0 : at.getLineAndCharacterOfPosition(start).line
      return `line ${line + 1} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })]
  }))
}

/** Undefined when it exited with 0, else what it printed */
async function runFailure (file: string): Promise<string | undefined> {
  const child = spawn(process.execPath, ['--import', new URL('own-package.ts', import.meta.url).href, file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT,
    killSignal: 'SIGKILL'
  })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))

  const ending = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => { resolve(code === 0 ? '' : signal ?? `exit code ${code}`) })
  })
  return ending === '' ? undefined : `${ending}\n${Buffer.concat(output).toString()}`
}

const snippets: Snippet[] = []
for (const page of await pages()) {
  snippets.push(...markdownSnippets(page, await readFile(join(ROOT, page), 'utf8')))
}

// below the root, so that packages resolve as they do for a user
const folder = await mkdtemp(join(ROOT, '.snippets-'))
let failed = 0

try {
  const files = await Promise.all(snippets.map(async ({ code }, i) => {
    const file = join(folder, `${i}.ts`)
    await writeFile(file, `${code}\nexport {}\n`)
    return file
  }))
  const errors = typeErrors(files)

  for (const [i, { page, line, run }] of snippets.entries()) {
    const file = files[i] ?? ''
    const wrong = errors.get(file) ?? []
    const failure = wrong.length > 0 ? wrong.join('\n') : run ? await runFailure(file) : undefined

    console.log(`${failure == null ? 'ok    ' : 'FAILED'} ${page}:${line}${run ? ' (runs)' : ''}`)
    if (failure != null) {
      failed++
      console.log(failure.replace(/^/gm, '    '))
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

console.log(`${snippets.length - failed} snippets passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
