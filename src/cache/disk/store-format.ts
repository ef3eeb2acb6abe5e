import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { CacheFormatError } from '../../interface/errors.ts'
import { BESIDE, errorCode, readFully, readWhole, writeWhole } from './files.ts'
import { MAX_HEADER_BYTES, NONCE_BYTES, readHeader, recordMark } from './record.ts'
import { RESERVE } from './reserve.ts'
import { SEGMENTS, parseName } from './segment.ts'
import type { CacheFiles } from './files.ts'

const FORMAT_FILE = 'format.json'
const FORMAT = 'portolan-block-cache'
export const LOCK = 'lock'
/** What a file system or a crash before the format was written leaves in a directory that is as good as empty */
const NOTHING: ReadonlySet<string> = new Set([LOCK, `${FORMAT_FILE}${BESIDE}`, 'lost+found'])

/** What must be files where they are */
const FILES: ReadonlySet<string> = new Set([FORMAT_FILE, RESERVE].flatMap(name => [name, `${name}${BESIDE}`]))

const MAX_FORMAT_BYTES = 4_096

/** From the version that is its key to the next one. Must be repeatable from the beginning: a crash may come in between */
export type Migrations = Readonly<Record<number, (files: CacheFiles, path: string) => Promise<void>>>

export interface FormatRules {
  readonly version: number
  readonly migrations: Migrations
}

/** There is only one version yet */
const CURRENT: FormatRules = { version: 1, migrations: {} }

interface Format {
  readonly version: number
  readonly nonce: Uint8Array
}

/** Throws unless the directory is a cache or may become one; changes nothing */
export async function assertOurs (files: CacheFiles, path: string, rules: FormatRules = CURRENT): Promise<void> {
  let names: string[]
  try {
    names = await files.list(path)
  } catch (err) {
    if (errorCode(err) === 'ENOENT') {
      return
    }
    if (errorCode(err) === 'ENOTDIR') {
      throw new CacheFormatError(`${path} is a file and not a directory: choose another path for the cache`, { cause: err })
    }
    throw err
  }
  if (names.includes(FORMAT_FILE)) {
    for (const name of names.filter(name => FILES.has(name))) {
      // which throws for what is no file
      await files.size(join(path, name))
    }
    await readFormat(files, path, rules)
  } else {
    const foreign = names.filter(name => !NOTHING.has(name))
    if (foreign.length > 0) {
      throw new CacheFormatError(`${path} is not a block cache, and not empty (${foreign.slice(0, 3).map(name => JSON.stringify(name)).join(', ')}): nothing was changed there; choose another path for the cache`)
    }
  }
}

export interface OpenFormat {
  /** Secret of this store: what its records are known by */
  readonly nonce: Uint8Array
  readonly repairs: readonly string[]
}

/** Reads the format, migrates an older one, or makes a new one. Only while the lock is held */
export async function openFormat (files: CacheFiles, path: string, rules: FormatRules = CURRENT): Promise<OpenFormat> {
  const names = await files.list(path)

  if (!names.includes(FORMAT_FILE)) {
    const nonce = randomBytes(NONCE_BYTES)
    await writeFormat(files, path, { version: rules.version, nonce })
    return { nonce, repairs: [] }
  }
  const { format, repaired } = await readFormat(files, path, rules)
  const repairs: string[] = repaired ? [`${FORMAT_FILE} was damaged and has been made again from the segments`] : []

  for (let { version } = format; version < rules.version; version++) {
    await rules.migrations[version]?.(files, path)
    await writeFormat(files, path, { version: version + 1, nonce: format.nonce })
    repairs.push(`migrated from version ${version} to ${version + 1}`)
  }
  if (repaired) {
    await writeFormat(files, path, format)
  }
  return { nonce: format.nonce, repairs }
}

async function writeFormat (files: CacheFiles, path: string, { version, nonce }: Format): Promise<void> {
  const hex = Buffer.from(nonce).toString('hex')
  const text = `${JSON.stringify({ format: FORMAT, version, nonce: hex, check: checkOf(version, hex) })}\n`
  await writeWhole(files, path, FORMAT_FILE, Buffer.from(text), { sync: true })
}

/** So that a flipped bit is not taken for another store, or another version */
function checkOf (version: number, nonce: string): number {
  return crc32(`${FORMAT} ${version} ${nonce}`)
}

async function readFormat (files: CacheFiles, path: string, rules: FormatRules): Promise<{ format: Format, repaired: boolean }> {
  const bytes = await readWhole(files, join(path, FORMAT_FILE), MAX_FORMAT_BYTES)
  const text = bytes == null ? '' : Buffer.from(bytes).toString()
  const { format: name, version, nonce, check } = parse(text)

  if (name !== undefined && name !== FORMAT && typeof name === 'string' && typeof version === 'number') {
    throw new CacheFormatError(`${path} holds ${JSON.stringify(name)} and no block cache: nothing was changed there; choose another path for the cache`)
  }
  if (name === FORMAT && typeof version === 'number' && Number.isInteger(version) && typeof nonce === 'string' && NONCE.test(nonce) && check === checkOf(version, nonce)) {
    if (version > rules.version) {
      throw new CacheFormatError(`${path} is a block cache of version ${version}, made by a newer release (this one knows versions up to ${rules.version}): nothing was changed there`)
    }
    for (let from = version; from < rules.version; from++) {
      if (rules.migrations[from] == null) {
        throw new CacheFormatError(`${path} is a block cache of version ${version}, and there is no way from there to version ${rules.version}: nothing was changed there`)
      }
    }
    await assertSame(files, path, Buffer.from(nonce, 'hex'))
    return { format: { version, nonce: Buffer.from(nonce, 'hex') }, repaired: false }
  }
  const found = await findNonce(files, path)
  if (found == null) {
    throw new CacheFormatError(`${join(path, FORMAT_FILE)} is not that of a block cache, and there is no block to tell by: nothing was changed there; remove the directory or choose another path for the cache`)
  }
  return { format: { version: rules.version, nonce: found }, repaired: true }
}

/** For what stands in the place of one of the cache's own */
export function notADirectory (path: string, cause: unknown): CacheFormatError {
  return new CacheFormatError(`${path} is no directory, and a cache keeps files in one of that name: nothing was changed there; remove it, or choose another path for the cache`, { cause })
}

const NONCE = /^[0-9a-f]{16}$/

function parse (text: string): { format?: unknown, version?: unknown, nonce?: unknown, check?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value != null ? value : {}
  } catch (err) {
    if (err instanceof SyntaxError) {
      return {}
    }
    throw err
  }
}

/** With another one all records would be taken for damage, and their space be given back */
async function assertSame (files: CacheFiles, path: string, nonce: Uint8Array): Promise<void> {
  let found: Uint8Array | undefined
  try {
    found = await findNonce(files, path)
  } catch (err) {
    if (errorCode(err) !== 'EIO') {
      throw err
    }
    return
  }
  if (found != null && Buffer.compare(found, nonce) !== 0) {
    throw new CacheFormatError(`${join(path, FORMAT_FILE)} belongs to another cache than the segments beside it: nothing was changed there; put back the one that was with them`)
  }
}

/** Every intact record has it */
async function findNonce (files: CacheFiles, path: string): Promise<Uint8Array | undefined> {
  const directory = join(path, SEGMENTS)
  let names: string[]
  try {
    names = await files.list(directory)
  } catch (err) {
    if (errorCode(err) === 'ENOENT') {
      return undefined
    }
    throw errorCode(err) === 'ENOTDIR' ? notADirectory(directory, err) : err
  }
  for (const name of names.filter(name => parseName(name)?.type === 'seg').sort()) {
    // which throws for what is no file
    await files.size(join(directory, name))
    const file = await files.open(join(directory, name), 'read')
    try {
      const head = Buffer.alloc(MAX_HEADER_BYTES)
      await readFully(file, head, 0)
      const nonce = Uint8Array.from(head.subarray(4, 4 + NONCE_BYTES))
      if (readHeader(head, 0, recordMark(nonce)) != null) {
        return nonce
      }
    } finally {
      await file.close()
    }
  }
  return undefined
}
