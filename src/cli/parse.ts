import { parseArgs } from 'node:util'
import { schema } from '../config/schema.ts'
import { quote } from '../interface/quote.ts'
import { didYouMean } from '../interface/suggest.ts'
import { UsageError } from './exit-code.ts'
import type { Command, OwnFlag, OwnFlags } from './command.ts'
import type { OptionDefinition } from '../config/schema.ts'

/** Flags of every command */
export const COMMON_FLAGS: Readonly<Record<string, OwnFlag>> = {
  config: { type: 'string', placeholder: 'FILE', description: 'Read the configuration from this file.' },
  help: { type: 'boolean', short: 'h', description: 'Show this help.' },
  version: { type: 'boolean', short: 'V', description: 'Show the version.' }
}

export interface ParsedArguments {
  readonly positionals: readonly string[]
  /** Values of configuration flags, by flag name */
  readonly config: Readonly<Record<string, unknown>>
  /** Values of the command's own and the common flags */
  readonly own: OwnFlags
}

interface Flag {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  readonly short?: string
}

/** The configuration flags of a command, by flag name */
function configFlags (command: Command): ReadonlyMap<string, OptionDefinition> {
  return new Map(command.options.map(key => {
    const option: OptionDefinition = schema[key]
    return [option.flag ?? key, option] as const
  }))
}

/**
 * Reads the arguments of one command; everything wrong is a UsageError that
 * says what would be right.
 */
export function parseArguments (command: Command, args: readonly string[]): ParsedArguments {
  const config = configFlags(command)
  const own = { ...COMMON_FLAGS, ...command.own }
  const known: Record<string, Flag> = {
    ...Object.fromEntries(Array.from(config, ([name, option]) => [name, { type: option.type === 'boolean' ? 'boolean' as const : 'string' as const, multiple: option.type === 'list' }])),
    ...Object.fromEntries(Object.entries(own).map(([name, { type, short, multiple = false }]) => [name, { type, multiple, ...(short == null ? {} : { short }) }]))
  }
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, allowPositionals: true, tokens: true })
  const positionals: string[] = []
  const values = new Map<string, string | boolean | string[]>()

  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value)
    } else if (token.kind === 'option') {
      readFlag(command, { known, config }, values, token)
    }
  }
  checkCount(command, positionals, values)

  const pick = (names: Iterable<string>): Record<string, unknown> => Object.fromEntries(Array.from(names, name => [name, values.get(name)]).filter(([, value]) => value !== undefined))
  return { positionals, config: pick(config.keys()), own: pick(Object.keys(own)) as OwnFlags }
}

function readFlag (command: Command, { known, config }: { known: Record<string, Flag>, config: ReadonlyMap<string, OptionDefinition> }, values: Map<string, string | boolean | string[]>, token: { name: string, rawName: string, value?: string, inlineValue?: boolean }): void {
  const positive = token.rawName.startsWith('--no-') ? token.name.replace(/^no-/, '') : undefined
  // only what may be set elsewhere needs a way to be unset here
  const negated = positive != null && config.get(positive)?.type === 'boolean'
  const name = negated ? positive : token.name
  const flag = Object.hasOwn(known, name) ? known[name] : undefined

  if (flag == null) {
    throw new UsageError(`${token.rawName} is not an option of portolan ${command.name}${didYouMean(name, Object.keys(known), '--')}`)
  }
  if (flag.type === 'boolean') {
    if (token.value != null) {
      throw new UsageError(`${token.rawName} takes no value, not ${quote(token.value)}${config.has(name) && !negated ? `: --${name} switches it on, --no-${name} off` : ''}`)
    }
    values.set(name, !negated)
    return
  }
  // `--port --store x`: the value was forgotten; a value that starts with a dash is written with `=`
  if (token.value == null || (token.inlineValue !== true && token.value.startsWith('-') && token.value !== '-')) {
    throw new UsageError(`${token.rawName} needs a value`)
  }
  if (flag.multiple === true) {
    const list = values.get(name)
    values.set(name, [...Array.isArray(list) ? list : [], token.value])
  } else if (values.has(name)) {
    throw new UsageError(`${token.rawName} is given twice`)
  } else {
    values.set(name, token.value)
  }
}

function checkCount (command: Command, positionals: readonly string[], values: ReadonlyMap<string, unknown>): void {
  // somebody who asks for help need not have got the rest right
  if (values.has('help') || values.has('version')) {
    return
  }
  if (positionals.length < command.minArguments) {
    throw new UsageError(`portolan ${command.name} needs ${command.arguments ?? 'an argument'}`)
  }
  if (positionals.length > command.maxArguments) {
    throw new UsageError(`portolan ${command.name} takes ${command.maxArguments === 0 ? 'no arguments' : `only ${command.arguments ?? ''}`}, not ${JSON.stringify(positionals[command.maxArguments])} as well`)
  }
}
