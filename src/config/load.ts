import { InvalidOptionError } from '../interface/errors.ts'
import { didYouMean } from '../interface/suggest.ts'
import { schema as portolanSchema } from './schema.ts'
import { readValue } from './value.ts'
import type { ConfigOf, OptionDefinition, OptionValue, Schema } from './schema.ts'

/** Where a value came from, as errors and `serve` name it */
export type Origin = 'default' | 'file' | 'environment' | 'flag'

export interface ConfigSources {
  /** By flag name without dashes, as the command line parser returns them */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** The text of a configuration file and what to call it in errors */
  readonly file?: { readonly name: string, readonly text: string }
}

export interface LoadedConfig<S extends Schema> {
  readonly values: ConfigOf<S>
  readonly origins: Readonly<Record<keyof S, Origin>>
  /** The same, in the words of an error: `--port`, `the environment variable PORTOLAN_MODE` */
  readonly sources: Readonly<Record<keyof S, string>>
  /** What is odd but not wrong: for the log */
  readonly warnings: readonly string[]
}

/** Deeper than any key goes: a file cannot make the reader recurse for ever */
const MAX_DEPTH = 8

/** Set by the shell or read before the schema is, so not options themselves */
const OTHER_ENVIRONMENT = new Set(['PORTOLAN_CONFIG'])

function parseFile (name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (err) {
    throw new InvalidOptionError(`the configuration file ${name} is not JSON: ${(err as Error).message}`, { cause: err })
  }
}

/** `{ gateway: { port: 1 } }` to `gateway.port` → 1; an array or text is a value */
function * flatten (name: string, value: unknown, path: readonly string[] = []): Generator<[string, unknown]> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)

  if (path.length === 0 && !isObject) {
    throw new InvalidOptionError(`the configuration file ${name} must hold an object, like { "gateway": { "port": 8480 } }`)
  }
  if (!isObject) {
    yield [path.join('.'), value]
    return
  }
  if (path.length >= MAX_DEPTH) {
    throw new InvalidOptionError(`the configuration file ${name} is nested too deeply at ${path.join('.').slice(0, 100)}`)
  }
  for (const [key, child] of Object.entries(value)) {
    yield * flatten(name, child, [...path, key])
  }
}

/**
 * Reads a configuration: flags win over the environment, the environment over
 * the file, the file over the defaults. Everything wrong is an
 * InvalidOptionError; nothing else is thrown.
 */
export function loadConfig (sources?: ConfigSources): LoadedConfig<typeof portolanSchema>
export function loadConfig<S extends Schema> (sources: ConfigSources, schema: S): LoadedConfig<S>
export function loadConfig (sources: ConfigSources = {}, schema: Schema = portolanSchema): LoadedConfig<Schema> {
  const values = new Map<string, OptionValue>()
  const origins = new Map<string, Origin>()
  const named = new Map<string, string>()
  const warnings: string[] = []
  const set = (key: string, option: OptionDefinition, value: unknown, origin: Origin, from: string): void => {
    values.set(key, readValue(key, option, value, from))
    origins.set(key, origin)
    named.set(key, from)
  }

  for (const [key, option] of Object.entries(schema)) {
    values.set(key, option.default)
    origins.set(key, 'default')
    named.set(key, 'the defaults')
  }

  if (sources.file != null) {
    const { name, text } = sources.file

    for (const [key, value] of flatten(name, parseFile(name, text))) {
      const option = Object.hasOwn(schema, key) ? schema[key] : undefined
      if (option == null) {
        throw new InvalidOptionError(`the configuration file ${name} has an unknown key ${key.slice(0, 100)}${didYouMean(key, Object.keys(schema))}`)
      }
      set(key, option, value, 'file', `the file ${name}`)
    }
  }

  readEnvironment(sources.environment ?? {}, schema, set, warnings)
  readFlags(sources.flags ?? {}, schema, set)

  return {
    values: Object.fromEntries(values) as ConfigOf<Schema>,
    origins: Object.fromEntries(origins) as Record<string, Origin>,
    sources: Object.fromEntries(named),
    warnings
  }
}

type Setter = (key: string, option: OptionDefinition, value: unknown, origin: Origin, name: string) => void

function readEnvironment (environment: NonNullable<ConfigSources['environment']>, schema: Schema, set: Setter, warnings: string[]): void {
  const byName = new Map(Object.entries(schema).map(([key, option]) => [option.env, { key, option }]))

  for (const [name, value] of Object.entries(environment)) {
    if (value == null || !name.startsWith('PORTOLAN_') || OTHER_ENVIRONMENT.has(name)) {
      continue
    }
    const known = byName.get(name)

    if (known == null) {
      // not an error: Kubernetes sets PORTOLAN_SERVICE_HOST and the like beside every service of that name
      warnings.push(`the environment variable ${name} is not an option of portolan${didYouMean(name, byName.keys())}`)
    } else if (value !== '') {
      set(known.key, known.option, value, 'environment', `the environment variable ${name}`)
    }
  }
}

function readFlags (flags: NonNullable<ConfigSources['flags']>, schema: Schema, set: Setter): void {
  const byName = new Map(Object.entries(schema).map(([key, option]) => [option.flag, { key, option }]))

  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) {
      continue
    }
    const known = byName.get(name)
    if (known == null) {
      throw new InvalidOptionError(`--${name.slice(0, 100)} is not an option${didYouMean(name, [...byName.keys()].filter(flag => flag != null), '--')}`)
    }
    set(known.key, known.option, value, 'flag', `--${name}`)
  }
}
