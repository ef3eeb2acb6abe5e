import { describe, expect, it } from 'vitest'
import { PRIVACY_PRESETS } from '../../src/interface/privacy-preset.ts'
import { readRepositoryFile } from '../architecture/support/source-tree.ts'
import { ROWS } from './modes/rows.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'

const MODES = Object.keys(PRIVACY_PRESETS) as PrivacyMode[]
const page = readRepositoryFile('docs/privacy-model.md')

/** The table under a heading, row by row */
function table (heading: string): string[][] {
  const [, section = ''] = page.split(`## ${heading}\n`)
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter(line => line.startsWith('|'))
  return lines.filter((_, i) => i !== 1).map(line => line.split('|').slice(1, -1).map(cell => cell.trim()))
}

describe('who can learn what, in docs/privacy-model.md', () => {
  const [head = [], ...rows] = table('Who can learn what')

  it('has a column for each mode, and rows of which each is measured', () => {
    expect(head.slice(1)).toEqual(MODES.map(mode => `\`${mode}\``))
    expect(rows.map(([who]) => who)).toEqual(Object.keys(ROWS))
    expect(rows.every(row => row.length === 1 + MODES.length)).toBe(true)
  })

  it.concurrent.each(rows.flatMap(([who = '', ...cells]) => cells.map((cell, i) => [who, MODES[i] as PrivacyMode, cell] as const)))('%s, in mode %s: %s', async (who, mode, cell) => {
    await using open = new AsyncDisposableStack()
    expect(await ROWS[who]?.(mode, open)).toBe(cell)
  })
})

describe('what each mode sets, in docs/privacy-model.md', () => {
  const [head = [], ...rows] = table('What each mode sets')

  it('is what the code reads', () => {
    expect(head.slice(1, 1 + MODES.length)).toEqual(MODES.map(mode => `\`${mode}\``))
    const printed = Object.keys(PRIVACY_PRESETS.open).map(name => [`\`${name}\``, ...MODES.map(mode => `\`${String(PRIVACY_PRESETS[mode][name as keyof typeof PRIVACY_PRESETS.open])}\``)])
    expect(rows.map(row => row.slice(0, 1 + MODES.length))).toEqual(printed)
    expect(rows.every(row => (row[1 + MODES.length] ?? '') !== '')).toBe(true)
  })
})
