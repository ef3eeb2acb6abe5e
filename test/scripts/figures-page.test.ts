import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { figuresPage } from '../../scripts/figures-page.ts'
import { savedReports } from '../../scripts/saved-reports.ts'
import type { BenchReport } from '../../bench/types.ts'

const env = { node: 'v24.1.0', cpu: 'a processor', cores: 2, seed: 7, date: '2026-02-03T04:05:06.000Z' }

function report (bench: string, ratios: Record<string, number>, absolute: Record<string, unknown> = {}): Map<string, BenchReport> {
  return new Map([[bench, { bench, ratios, absolute, env }]])
}

describe('figuresPage', () => {
  it('docs/benchmarks.md is what bench/results says: run node scripts/figures.ts', () => {
    const page = readFileSync(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8')
    expect(page).toBe(figuresPage(savedReports()))
  })

  it('says how to make a figure that was not saved', () => {
    expect(figuresPage(new Map())).toContain('No run is saved yet: `npm run bench -- overhead --save`.')
  })

  it('tells what was measured, by whom and how', () => {
    const page = figuresPage(report('overhead', { hit: 1.0424, heapPer1000MB: 1.5 }))

    expect(page).toMatch(/\| `hit` \| .* \| ≤ 1\.1 \| 1\.042 \|/)
    expect(page).toContain('`npm run bench -- overhead --seed 7 --save`, 2026-02-03, Node 24.1.0, 2 cores of a processor.')
  })

  it('puts the peer of the same run beside it, and no cell breaks the table', () => {
    const page = figuresPage(report('helia', { silent: 1.2 }, { silentPlain: 'hangs | 30 s' }))
    expect(page).toMatch(/\| `silent` \| .* \| 1\.2 \| hangs \\\| 30 s \|/)
  })

  it('shows the tables behind a figure', () => {
    const page = figuresPage(report('cache', { meanGap: 0.5 }, { hitPercent: [{ workload: 'a', LRU: 1.25 }, { workload: 'b', LRU: 2, more: 'x' }] }))
    expect(page).toContain('Object hits in percent:\n\n| workload | LRU | more |\n| --- | ---: | --- |\n| a | 1.25 |  |\n| b | 2 | x |\n')
    expect(page).not.toContain('Byte hits in percent')
  })

  it('publishes no figure that it cannot explain', () => {
    expect(() => figuresPage(report('overhead', { speed: 9 }))).toThrow(/overhead speed/)
    expect(() => figuresPage(report('beauty', {}))).toThrow(/beauty/)
  })
})
