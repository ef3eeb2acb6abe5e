import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { InvalidOptionError } from '../interface/errors.ts'
import { fileProblem } from '../privacy/proofs/bounded-file.ts'
import { loadConfig } from './load.ts'
import type { LoadedConfig } from './load.ts'
import type { schema } from './schema.ts'

/** A hand-written file is a few kB; more is the wrong file */
const MAX_FILE_SIZE = 1_048_576

export interface ReadConfigInit {
  readonly flags?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** `--config`: must exist when given */
  readonly config?: string
}

export interface ReadConfig extends LoadedConfig<typeof schema> {
  /** The store directory, absolute */
  readonly store: string
  /** The configuration file that was read, if one was */
  readonly file?: string
}

/** The directory of the user's node when none is named */
export function defaultStore (environment: Readonly<Record<string, string | undefined>>, home = homedir()): string {
  const data = environment.XDG_DATA_HOME
  return data != null && data.startsWith('/') ? join(data, 'portolan') : join(home, '.portolan')
}

/** A path of the configuration, absolute: `~` is the user's home */
export function expand (path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(path)
}

function readText (path: string, required: boolean): string | undefined {
  try {
    if (statSync(path).size > MAX_FILE_SIZE) {
      throw new InvalidOptionError(`the configuration file ${path} is larger than ${MAX_FILE_SIZE} bytes`)
    }
    return readFileSync(path, 'utf8')
  } catch (err) {
    // a file where the store should be: said where the store is opened
    if (['ENOENT', 'ENOTDIR'].includes((err as NodeJS.ErrnoException).code ?? '') && !required) {
      return undefined
    }
    if (err instanceof InvalidOptionError) {
      throw err
    }
    throw new InvalidOptionError(`the configuration file ${path} cannot be read: ${fileProblem(err)}`, { cause: err })
  }
}

/**
 * Reads the whole configuration of this machine: flags, environment, and the
 * file named by `--config` or `PORTOLAN_CONFIG`, else `config.json` in the
 * store directory if there is one.
 */
export function readConfig (init: ReadConfigInit = {}): ReadConfig {
  const { flags = {}, environment = {} } = init
  const named = init.config ?? (environment.PORTOLAN_CONFIG === '' ? undefined : environment.PORTOLAN_CONFIG)
  // the store must be known before the file in it can be read; a file that is named may say where the store is
  const before = loadConfig({ flags, environment })
  const storeOf = (path: string): string => path === '' ? defaultStore(environment) : expand(path)
  const path = named != null ? expand(named) : join(storeOf(before.values['store.path']), 'config.json')
  const text = readText(path, named != null)

  if (text == null) {
    return { ...before, store: storeOf(before.values['store.path']) }
  }

  const loaded = loadConfig({ flags, environment, file: { name: path, text } })
  if (named == null && loaded.origins['store.path'] === 'file') {
    throw new InvalidOptionError(`the configuration file ${path} lies in the store and so cannot say where the store is; use --store, PORTOLAN_STORE or --config`)
  }
  return { ...loaded, store: storeOf(loaded.values['store.path']), file: path }
}
