import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { TraceBuilder } from './trace.ts'
import type { Trace } from './trace.ts'

const unzip = promisify(gunzip)
const ENDING = '.txt.gz'

/** What still fits into one string of V8's; ten times the largest trace that is simulated in minutes */
const MAX_TEXT = 400_000_000

/** Up to a petabyte: sums over a trace stay exact */
const SIZE = /^\d{1,15}$/

/** A file that is no trace, or not all of it: says which line */
export class InvalidTraceError extends Error {
  static override name = 'InvalidTraceError'
  override name = 'InvalidTraceError'
}

export interface TraceFolder {
  readonly traces: readonly Trace[]
  /** Why there are none */
  readonly absent?: string
}

/** Every `NAME.txt.gz` of a folder, by name. A folder that is not there is no error, a file that is no trace is one. */
export async function readTraces (folder: string, seed: number): Promise<TraceFolder> {
  let names: string[]

  try {
    names = (await readdir(folder)).filter(name => name.endsWith(ENDING)).sort()
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException

    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return { traces: [], absent: `${folder} is no folder` }
    }

    throw err
  }

  const traces: Trace[] = []

  for (const name of names) {
    traces.push(await readTrace(join(folder, name), seed))
  }

  return traces.length === 0 ? { traces, absent: `${folder} has no file *${ENDING}` } : { traces }
}

async function readTrace (file: string, seed: number): Promise<Trace> {
  const zipped = await readFile(file)
  let text: Buffer

  try {
    text = await unzip(zipped, { maxOutputLength: MAX_TEXT })
  } catch (err) {
    throw new InvalidTraceError(`${file} is no whole gzip file of up to ${MAX_TEXT} bytes of text: ${err instanceof Error ? err.message : String(err)}`, { cause: err })
  }

  return parseTrace(text.toString('utf8'), { name: basename(file, ENDING), file, seed })
}

export interface ParseTraceInit {
  readonly name: string
  /** For errors. @default its name */
  readonly file?: string
  readonly seed: number
}

/**
 * A request per line: a key, or a key, a space and its bytes, in all lines alike.
 * Empty lines count as none; an object of no bytes takes one, as policies divide by sizes.
 */
export function parseTrace (text: string, { name, file = name, seed }: ParseTraceInit): Trace {
  const builder = new TraceBuilder()
  let sized: boolean | undefined
  let line = 0

  for (const row of text.split('\n')) {
    line++
    const [key, size, ...rest] = row.trim().split(/\s+/)

    if (key == null || key === '') {
      continue
    }

    const fault = (what: string): InvalidTraceError => new InvalidTraceError(`${file}, line ${line}: ${what}: ${JSON.stringify(row.slice(0, 80))}`)

    if (rest.length > 0) {
      throw fault('more than a key and its bytes')
    }

    if (size != null && !SIZE.test(size)) {
      throw fault('bytes must be a whole number below 10^15')
    }

    sized ??= size != null

    if (sized !== (size != null)) {
      throw fault(sized ? 'has no bytes, though lines before it have' : 'has bytes, though lines before it have none')
    }

    builder.add(key, size == null ? 1 : Math.max(1, Number(size)))
  }

  if (sized == null) {
    throw new InvalidTraceError(`${file} has no request`)
  }

  return builder.build(name, { seed, sized })
}
