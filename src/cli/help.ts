import { schema, shownFlag } from '../config/schema.ts'
import { COMMON_FLAGS } from './parse.ts'
import type { Command, OwnFlag } from './command.ts'
import type { OptionDefinition } from '../config/schema.ts'

/** Where nobody says how wide it is: a file, a pipe */
const DEFAULT_WIDTH = 100
/** Below, not much more than a name and a word fit into a line */
const MIN_WIDTH = 40
/** Longer lines are hard to follow, however wide the terminal */
const MAX_WIDTH = 120

/** How long the lines of a help may be */
export function helpWidth (stream: { readonly isTTY?: boolean, readonly columns?: number }): number {
  const { isTTY, columns } = stream
  return isTTY === true && columns != null && columns > 0 ? Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns)) : DEFAULT_WIDTH
}

/** A name that is longer than this part of the line has one of its own: what is said of it needs the rest */
const WIDEST_NAME = 0.45
/** In less, two columns leave no room for a sentence: what is said of a name stands below it */
const TWO_COLUMNS = 60
/** Of what stands below a name */
const BELOW = 6

function columns (rows: ReadonlyArray<readonly [string, string]>, width: number): string {
  if (width < TWO_COLUMNS) {
    const margin = `\n${' '.repeat(BELOW)}`
    return rows.map(([name, text]) => `  ${name}${margin}${wrap(text, width - BELOW).join(margin)}`).join('\n')
  }
  const widest = Math.floor(width * WIDEST_NAME)
  const left = Math.max(0, ...rows.map(([name]) => name.length).filter(length => length <= widest))
  const indent = left + 4
  const margin = `\n${' '.repeat(indent)}`
  return rows.map(([name, text]) => `  ${name.length > left ? `${name}${margin}` : `${name.padEnd(left)}  `}${wrap(text, width - indent).join(margin)}`).join('\n')
}

/** Breaks between words; a word longer than the line stays whole, since it is something to copy */
function wrap (text: string, width: number): string[] {
  const lines = ['']

  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? ''
    if (line === '') {
      lines[lines.length - 1] = word
    } else if (line.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${line} ${word}`
    } else {
      lines.push(word)
    }
  }
  return lines
}

function paragraph (text: string, width: number): string {
  return wrap(text, width).join('\n')
}

/** Broken before a flag or a pipe, as a shell reads it: it can be copied with its line breaks */
function exampleLines (example: string, width: number): string {
  const lines: string[] = []
  let line = ' '

  for (const part of example.split(/ (?=--?[a-z]|\|)/)) {
    // the margin, and the backslash that says that the line goes on
    if (line !== ' ' && line.length + 1 + part.length + 2 > width) {
      lines.push(`${line} \\`)
      line = '   '
    }
    line = `${line} ${part}`
  }
  return [...lines, line].join('\n')
}

/** In a clone there is no command of that name yet */
const FROM_SOURCES = import.meta.url.endsWith('.ts')
  ? 'In a clone of the repository, write npx node src/cli/main.ts for portolan: npx takes the Node.js that npm ci brought.'
  : ''

function ownRow ([name, flag]: [string, OwnFlag]): [string, string] {
  return [`${flag.short == null ? '' : `-${flag.short}, `}--${name}${flag.placeholder == null ? '' : ` ${flag.placeholder}`}`, `${flag.description}${flag.multiple === true ? ' (repeatable)' : ''}`]
}

function configRow (key: string, option: OptionDefinition, shown = option.shownDefault): [string, string] {
  const empty = option.default === '' || (Array.isArray(option.default) && option.default.length === 0) || option.type === 'boolean'
  const notes = [...option.choices == null ? [] : [`one of ${option.choices.join(', ')}`], ...option.type === 'list' ? ['repeatable'] : [], ...shown == null && empty ? [] : [`default ${shown ?? String(option.default)}`]]

  return [`${shownFlag(option) ?? `--${key}`}${option.placeholder == null ? '' : ` ${option.placeholder}`}`, `${option.switchedOff ?? option.description}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`]
}

function configRows (command: Command): Array<[string, string]> {
  return command.options.map(key => {
    const option: OptionDefinition = schema[key]
    return configRow(key, option, command.defaults?.[key])
  })
}

/** The help of the program */
export function programHelp (commands: readonly Command[], width = DEFAULT_WIDTH): string {
  return `${paragraph('portolan: a content-routing cache for IPFS', width)}

Usage: portolan COMMAND [OPTIONS]

Commands:
${columns(commands.map(({ name, arguments: args, summary }) => [args == null ? name : `${name} ${args}`, summary]), width)}

Options:
${columns(Object.entries(COMMON_FLAGS).filter(([name]) => name !== 'config').map(ownRow), width)}

${paragraph('portolan COMMAND --help says more about each. Every option can also be set in the environment (PORTOLAN_...) or in a file: see docs/configuration.md.', width)}

${paragraph('Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.', width)}
${FROM_SOURCES === '' ? '' : `\n${paragraph(FROM_SOURCES, width)}\n`}`
}

/** The help of one command */
export function commandHelp (command: Command, width = DEFAULT_WIDTH): string {
  return `${paragraph(`Usage: portolan ${command.name}${command.arguments == null ? '' : ` ${command.arguments}`} [OPTIONS]`, width)}

${paragraph(command.description, width)}
${command.actions == null ? '' : `\nActions:\n${columns(command.actions, width)}\n`}
Options:
${columns([...Object.entries(command.own ?? {}).map(ownRow), ...configRows(command), ...Object.entries(COMMON_FLAGS).map(ownRow)], width)}

Examples:
${command.examples.map(example => exampleLines(example, width)).join('\n')}
${FROM_SOURCES === '' ? '' : `\n${paragraph(FROM_SOURCES, width)}\n`}`
}
