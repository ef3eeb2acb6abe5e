import type { Bar, BenchResult } from './types.ts'

export type Verdict = 'ok' | 'MISSED' | ''

/** A value that is not a number (0 / 0) misses every bar */
export function verdict (value: number | undefined, bar: Bar | undefined): Verdict {
  if (bar == null) {
    return ''
  }

  if (value == null || Number.isNaN(value)) {
    return 'MISSED'
  }

  return value <= (bar.max ?? Infinity) && value >= (bar.min ?? -Infinity) && (bar.below == null || value < bar.below) ? 'ok' : 'MISSED'
}

function barText (bar: Bar | undefined): string {
  return [
    bar?.min == null ? undefined : `>= ${bar.min}`,
    bar?.max == null ? undefined : `<= ${bar.max}`,
    bar?.below == null ? undefined : `< ${bar.below}`
  ].filter(part => part != null).join(', ')
}

function numberText (value: unknown): string {
  if (typeof value !== 'number') {
    return typeof value === 'string' ? value : JSON.stringify(value) ?? String(value)
  }

  return Number.isInteger(value) ? String(value) : value.toPrecision(4)
}

function columns (rows: readonly string[][]): string[] {
  const widths = rows.reduce<number[]>((widths, row) => row.map((cell, i) => Math.max(widths[i] ?? 0, cell.length)), [])
  return rows.map(row => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd())
}

type Row = Readonly<Record<string, unknown>>

function isGrid (value: unknown): value is readonly Row[] {
  return Array.isArray(value) && value.length > 0 && value.every(row => typeof row === 'object' && row != null && !Array.isArray(row))
}

/** Numbers of a column have the same decimals and stand under each other: one, two where all are below 10 */
function grid (rows: readonly Row[]): string[] {
  const names = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const cells = names.map(name => {
    const values = rows.map(row => row[name])
    const numbers = values.filter(value => typeof value === 'number')
    const decimals = numbers.every(Number.isInteger) ? 0 : numbers.every(value => Math.abs(value) < 10) ? 2 : 1
    const texts = [name, ...values.map(value => typeof value === 'number' ? value.toFixed(decimals).replace(/^-(?=[0.]*$)/, '') : value == null ? '' : numberText(value))]
    const width = Math.max(...texts.map(text => text.length))
    return texts.map(text => numbers.length > 0 ? text.padStart(width) : text.padEnd(width))
  })

  return ['', ...rows].map((_, i) => `  ${cells.map(column => column[i]).join('  ')}`.trimEnd())
}

/** One line per ratio with its bar, then the absolute figures, tables last. A bar without its ratio is a miss. */
export function renderTable (result: BenchResult): string {
  const keys = [...new Set([...Object.keys(result.ratios), ...Object.keys(result.bars ?? {})])]
  const ratios = keys.map(key => {
    const value = result.ratios[key]
    const bar = result.bars?.[key]
    return [`  ${key}`, value == null ? 'absent' : numberText(value), barText(bar), verdict(value, bar)]
  })
  const figures = Object.entries(result.absolute)
  const absolute = figures.filter(([, value]) => !isGrid(value)).map(([key, value]) => [`  ${key}`, numberText(value)])

  return [
    ...columns([['ratios', 'value', 'bar', ''], ...ratios]),
    '',
    ...columns([['absolute', ''], ...absolute]),
    ...figures.flatMap(([key, value]) => isGrid(value) ? ['', key, ...grid(value)] : [])
  ].join('\n')
}

export function missed (result: BenchResult): string[] {
  return Object.entries(result.bars ?? {})
    .filter(([key, bar]) => verdict(result.ratios[key], bar) === 'MISSED')
    .map(([key]) => key)
}
