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

  return value <= (bar.max ?? Infinity) && value >= (bar.min ?? -Infinity) ? 'ok' : 'MISSED'
}

function barText (bar: Bar | undefined): string {
  return [
    bar?.min == null ? undefined : `>= ${bar.min}`,
    bar?.max == null ? undefined : `<= ${bar.max}`
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

/** One line per ratio with its bar, then the absolute figures. A bar without its ratio is a miss. */
export function renderTable (result: BenchResult): string {
  const keys = [...new Set([...Object.keys(result.ratios), ...Object.keys(result.bars ?? {})])]
  const ratios = keys.map(key => {
    const value = result.ratios[key]
    const bar = result.bars?.[key]
    return [`  ${key}`, value == null ? 'absent' : numberText(value), barText(bar), verdict(value, bar)]
  })
  const absolute = Object.entries(result.absolute).map(([key, value]) => [`  ${key}`, numberText(value)])

  return [
    ...columns([['ratios', 'value', 'bar', ''], ...ratios]),
    '',
    ...columns([['absolute', ''], ...absolute])
  ].join('\n')
}

export function missed (result: BenchResult): string[] {
  return Object.entries(result.bars ?? {})
    .filter(([key, bar]) => verdict(result.ratios[key], bar) === 'MISSED')
    .map(([key]) => key)
}
