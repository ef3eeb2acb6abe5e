/**
 * Type-checks every `ts` block of README.md, docs/ and the doc comments of src/, and
 * runs those that are marked with ` ```ts run `. The last line says how many passed and failed.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commentsAsMarkdown, markdownSnippets } from './markdown-snippets.ts'
import { typeErrors } from './snippet-types.ts'
import type { Snippet } from './markdown-snippets.ts'

const ROOT = join(import.meta.dirname, '..')
/** A snippet shows one thing on loopback: seconds, even on a busy machine */
const RUN_TIMEOUT = 60_000

async function list (folder: string, ending: string): Promise<string[]> {
  const paths = await readdir(join(ROOT, folder), { recursive: true })
  return paths.filter(path => path.endsWith(ending)).map(path => `${folder}/${path}`).sort()
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
for (const page of ['README.md', ...await list('docs', '.md')]) {
  snippets.push(...markdownSnippets(page, await readFile(join(ROOT, page), 'utf8')))
}
for (const page of await list('src', '.ts')) {
  snippets.push(...markdownSnippets(page, commentsAsMarkdown(await readFile(join(ROOT, page), 'utf8'))))
}

// below the root, so that packages resolve as they do for a user
const folder = await mkdtemp(join(ROOT, '.snippets-'))
let failed = 0

try {
  const files = snippets.map((snippet, i) => ({ snippet, path: join(folder, `${i}.ts`), text: `${snippet.code}\nexport {}\n` }))
  await Promise.all(files.map(async ({ path, text }) => writeFile(path, text)))
  const errors = typeErrors(files)

  for (const [i, { page, line, run }] of snippets.entries()) {
    const wrong = errors[i] ?? []
    const failure = wrong.length > 0 ? wrong.join('\n') : run ? await runFailure(join(folder, `${i}.ts`)) : undefined

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
