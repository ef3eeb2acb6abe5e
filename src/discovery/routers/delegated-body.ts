import { RouterFailedError } from '../../interface/errors.ts'
import { LineSplitter } from './delegated-lines.ts'
import type { DelegatedCounts } from './delegated-counts.ts'
import type { HttpResponse } from '../../interface/http-transport.ts'

/** What is read of one answer */
export interface AnswerLimits {
  readonly bytes: number
  readonly records: number
}

/** Servers end after 1 000 records of a stream, which have about 1 MB; a document has 100 */
export const DEFAULT_ANSWER_LIMITS: AnswerLimits = { bytes: 2_097_152, records: 1_000 }

export interface BodyInit {
  readonly router: string
  readonly counts: DelegatedCounts
  readonly limits: AnswerLimits
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The records of a stream of lines, as they come. A line that is no JSON, or too
 * long, is counted and passed over. Returns whether it was the whole answer.
 */
export async function * readLines (body: HttpResponse['body'], { router, counts, limits }: BodyInit): AsyncGenerator<unknown, boolean, undefined> {
  const splitter = new LineSplitter()
  let bytes = 0
  let lines = 0
  let good = 0

  const parsed = (line: Uint8Array): { readonly value: unknown } | undefined => {
    const value = parse(line)

    if (value === undefined) {
      counts.skipped.malformed++
    } else {
      good++
    }
    return value
  }

  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength

      for (const line of splitter.push(chunk)) {
        if (isBlank(line)) {
          continue
        }
        const record = parsed(line)
        if (record != null) {
          yield record.value
        }
        if (++lines >= limits.records) {
          counts.cutShort++
          return true
        }
      }

      if (bytes >= limits.bytes) {
        counts.cutShort++
        break
      }
    }
  } finally {
    counts.skipped.oversized += splitter.oversized
  }

  const whole = bytes < limits.bytes
  const rest = whole ? splitter.finish() : undefined
  const last = rest == null || isBlank(rest) ? undefined : parsed(rest)

  if (last != null) {
    yield last.value
  }
  if (good === 0 && bytes > 0 && (lines > 0 || rest != null || splitter.oversized > 0 || !whole)) {
    throw new RouterFailedError(router, 'invalid', `it answered 200 with ${bytes} bytes in which there is no record`)
  }
  return whole && (rest == null || isBlank(rest) || last != null)
}

/** The records of a document. Returns whether it was the whole answer. */
export async function * readDocument (body: HttpResponse['body'], list: 'Providers' | 'Peers', { router, counts, limits }: BodyInit): AsyncGenerator<unknown, boolean, undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0

  for await (const chunk of body) {
    bytes += chunk.byteLength

    if (bytes > limits.bytes) {
      throw new RouterFailedError(router, 'invalid', `it answered 200 with a document of more than the ${limits.bytes} bytes that are read`)
    }
    chunks.push(chunk)
  }

  const document = parse(joined(chunks, bytes))?.value
  const records = typeof document === 'object' && document !== null ? (document as Record<string, unknown>)[list] : undefined

  // null is how servers in Go write an empty list
  if (records !== null && !Array.isArray(records)) {
    throw new RouterFailedError(router, 'invalid', `it answered 200 with a document in which there is no list called ${list}`)
  }

  const all: readonly unknown[] = records ?? []

  if (all.length > limits.records) {
    counts.cutShort++
  }
  yield * all.slice(0, limits.records)
  return true
}

/** A JSON value, which may be null; undefined for anything else */
function parse (bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(utf8.decode(bytes)) as unknown }
  } catch {
    // the callers count it, or make an error of it
    return undefined
  }
}

function isBlank (line: Uint8Array): boolean {
  return line.every(byte => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function joined (chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0

  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}
