import { COMMON_FLAGS, configFlags } from './parse.ts'
import type { Command, OwnFlag } from './command.ts'
import type { OptionDefinition } from '../config/schema.ts'

function columns (rows: ReadonlyArray<readonly [string, string]>): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

function ownRow ([name, flag]: [string, OwnFlag]): [string, string] {
  return [`${flag.short == null ? '' : `-${flag.short}, `}--${name}${flag.placeholder == null ? '' : ` ${flag.placeholder}`}`, flag.description]
}

function configRow ([name, option]: [string, OptionDefinition]): [string, string] {
  const empty = option.default === '' || (Array.isArray(option.default) && option.default.length === 0) || option.type === 'boolean'
  const notes = [...option.type === 'list' ? ['repeatable'] : [], ...empty ? [] : [`default ${String(option.default)}`]]

  return [`--${name}${option.placeholder == null ? '' : ` ${option.placeholder}`}`, `${option.description}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`]
}

/** The help of the program */
export function programHelp (commands: readonly Command[]): string {
  return `portolan: a content-routing cache for IPFS

Usage: portolan COMMAND [OPTIONS]

Commands:
${columns(commands.map(({ name, arguments: args, summary }) => [args == null ? name : `${name} ${args}`, summary]))}

Options:
${columns(Object.entries(COMMON_FLAGS).filter(([name]) => name !== 'config').map(ownRow))}

portolan COMMAND --help says more about each. Every option can also be set in the
environment (PORTOLAN_...) or in a file: see docs/configuration.md.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.
`
}

/** The help of one command */
export function commandHelp (command: Command): string {
  return `Usage: portolan ${command.name}${command.arguments == null ? '' : ` ${command.arguments}`} [OPTIONS]

${command.description}

Options:
${columns([...Object.entries(command.own ?? {}).map(ownRow), ...[...configFlags(command)].map(configRow), ...Object.entries(COMMON_FLAGS).map(ownRow)])}

Examples:
${command.examples.map(example => `  ${example}`).join('\n')}
`
}
