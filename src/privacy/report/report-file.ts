import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { quote } from '../../interface/quote.ts'
import { fileProblem } from '../proofs/bounded-file.ts'
import type { FileHandle } from 'node:fs/promises'

/** A report cannot be written there; nothing of it was left behind, and what was there before is as it was */
export class ReportFileError extends Error {
  static override name = 'ReportFileError'
  override name = 'ReportFileError'
}

/** What it says of this user's peers is this user's to read */
const PRIVATE = 0o600

/**
 * Writes a report for this user alone (mode 0600), whole or not at all: beside its place, and moved there at the end. What is no
 * regular file (a device, a pipe) is written to directly.
 *
 * @example
 * ```ts
 * import { reportFormats, writeReport } from 'portolan/privacy'
 * import type { PrivacyReport } from 'portolan/privacy'
 *
 * async function save (report: PrivacyReport): Promise<void> {
 *   await writeReport('privacy.html', reportFormats().render('html', report))
 * }
 * ```
 */
export async function writeReport (path: string, text: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  const bytes = new TextEncoder().encode(text)

  try {
    signal?.throwIfAborted()
    const target = await resolved(path)
    if (target.special) {
      await writeTo(await open(target.path, 'w'), bytes, signal)
      return
    }
    await replace(target.path, bytes, signal)
  } catch (err) {
    signal?.throwIfAborted()
    throw toReportFileError(err, path)
  }
}

/** Throws a `ReportFileError` where `writeReport` would: before somebody waits for a report that cannot be kept. Leaves nothing behind. */
export async function checkReportFile (path: string): Promise<void> {
  try {
    const target = await resolved(path)
    if (!target.special) {
      const beside = besideOf(target.path)
      await (await open(beside, 'wx', PRIVATE)).close()
      await rm(beside)
    }
  } catch (err) {
    throw toReportFileError(err, path)
  }
}

function besideOf (path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 200)}.${crypto.randomUUID()}.part`)
}

async function replace (path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  const beside = besideOf(path)
  const file = await open(beside, 'wx', PRIVATE)

  try {
    await writeTo(file, bytes, signal, true)
    signal?.throwIfAborted()
    await rename(beside, path)
  } catch (err) {
    await rm(beside, { force: true })
    throw err
  }
}

async function writeTo (file: FileHandle, bytes: Uint8Array, signal?: AbortSignal, sync = false): Promise<void> {
  try {
    await file.writeFile(bytes, { signal })
    if (sync) {
      await file.sync()
    }
  } finally {
    await file.close()
  }
}

/** A link is followed: what it leads to is replaced, and not the link */
async function resolved (path: string): Promise<{ path: string, special: boolean }> {
  if (path === '') {
    throw new ReportFileError('the report cannot be written to a file without a name')
  }
  try {
    const info = await stat(path)
    if (info.isDirectory()) {
      throw new ReportFileError(`${quote(path)} is a directory: name a file in it`)
    }
    return { path: await realpath(path), special: !info.isFile() }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') {
      return { path, special: false }
    }
    throw err
  }
}

/** Of a file that is to be written */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'what should be its directory is a file'
}

function toReportFileError (err: unknown, path: string): ReportFileError {
  const { code = '' } = err as NodeJS.ErrnoException
  return err instanceof ReportFileError ? err : new ReportFileError(`the report cannot be written to ${quote(path)}: ${REASONS[code] ?? fileProblem(err)}`, { cause: err })
}
