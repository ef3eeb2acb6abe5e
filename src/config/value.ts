import { inspect } from 'node:util'
import { InvalidOptionError } from '../interface/errors.ts'
import type { OptionDefinition, OptionValue } from './schema.ts'

const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SIZES: Readonly<Record<string, number>> = {
  b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3
}

/** What is allowed, in words: for errors, help and documentation */
export function describeRange (option: OptionDefinition): string {
  switch (option.type) {
    case 'integer': return `a whole number from ${option.min} to ${option.max}`
    case 'number': return `a number from ${option.min} to ${option.max}`
    case 'duration': return `milliseconds from ${option.min} to ${option.max}, or like 500ms, 30s, 5m`
    case 'bytes': return `bytes from ${option.min} to ${option.max}, or like 512KiB, 2MiB`
    case 'boolean': return 'true or false'
    case 'choice': return `one of ${(option.choices ?? []).join(', ')}`
    case 'list': return `up to ${option.maxItems} texts of up to ${option.maxLength} characters`
    case 'string':
    case 'path': return `a text of up to ${option.maxLength} characters`
  }
}

/** A value as an error shows it: short, one line, and never a secret */
export function show (option: OptionDefinition, value: unknown): string {
  if (option.secret === true) {
    return '(not shown)'
  }
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, { breakLength: Infinity, depth: 2 })
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function scaled (text: string, units: Readonly<Record<string, number>>): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = match?.[2]?.toLowerCase() ?? ''
  const factor = unit === '' ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined

  return match == null || factor == null ? Number.NaN : Number(match[1]) * factor
}

function toNumber (option: OptionDefinition, value: unknown): number | undefined {
  const number = typeof value === 'number'
    ? value
    : typeof value === 'string'
      ? scaled(value, option.type === 'duration' ? DURATIONS : option.type === 'bytes' ? SIZES : {})
      : Number.NaN

  const inRange = (option.type === 'number' || Number.isSafeInteger(number)) && number >= (option.min ?? 0) && number <= (option.max ?? Number.MAX_SAFE_INTEGER)
  return inRange ? number : undefined
}

function toBoolean (value: unknown): boolean | undefined {
  if (typeof value === 'boolean') {
    return value
  }
  switch (typeof value === 'string' ? value.toLowerCase() : undefined) {
    case 'true': case '1': case 'yes': case 'on': return true
    case 'false': case '0': case 'no': case 'off': return false
    default: return undefined
  }
}

function toText (option: OptionDefinition, value: unknown): string | undefined {
  // a NUL ends a path early in the system calls that get it
  const ok = typeof value === 'string' && value.length <= (option.maxLength ?? 0) && !value.includes('\0')
  return ok ? value : undefined
}

function toList (option: OptionDefinition, value: unknown): readonly string[] | undefined {
  const items = typeof value === 'string' ? value.split(',').map(item => item.trim()).filter(item => item !== '') : value

  if (!Array.isArray(items) || items.length > (option.maxItems ?? 0)) {
    return undefined
  }
  const texts = items.map(item => toText(option, item))
  return texts.every(text => text != null && text !== '') ? texts as string[] : undefined
}

function convert (option: OptionDefinition, value: unknown): OptionValue | undefined {
  switch (option.type) {
    case 'integer':
    case 'number':
    case 'duration':
    case 'bytes': return toNumber(option, value)
    case 'boolean': return toBoolean(value)
    case 'choice': return option.choices?.find(choice => choice === value)
    case 'list': return toList(option, value)
    case 'string':
    case 'path': return toText(option, value)
  }
}

/** Checks and converts a value that came from `origin`; the error names key, origin, range and value */
export function readValue (key: string, option: OptionDefinition, value: unknown, origin: string): OptionValue {
  const converted = convert(option, value)

  if (converted === undefined) {
    throw new InvalidOptionError(`${key} (from ${origin}) must be ${describeRange(option)}, not ${show(option, value)}`)
  }
  return converted
}
