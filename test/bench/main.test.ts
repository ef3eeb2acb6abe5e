import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BenchReport } from '../../bench/types.ts'

const MAIN = join(import.meta.dirname, '../../bench/main.ts')

function bench (...args: string[]): Promise<{ code: unknown, out: string, err: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [MAIN, ...args], { maxBuffer: 10_000_000 }, (error, out, err) => { resolve({ code: error?.code ?? 0, out, err }) })
  })
}

describe('npm run bench', () => {
  let folder: string

  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'portolan-bench-')) })
  afterEach(async () => { await rm(folder, { recursive: true }) })

  it('refuses an option that a bench does not have', async () => {
    expect(await bench('selection', '--traces', folder)).toMatchObject({ code: 2, err: 'The bench "selection" has no option --traces\n' })
  })

  it('cache replays the traces of a folder, has ratios under their names, and draws them', async () => {
    const plot = join(folder, 'images', 'hits.svg')
    await writeFile(join(folder, 'mine-sized.txt.gz'), gzipSync(Array.from({ length: 500 }, (_, i) => `k${i * i % 61} ${1 + i * i % 61}`).join('\n')))
    await writeFile(join(folder, 'loop.txt.gz'), gzipSync(Array.from({ length: 500 }, (_, i) => i % 50).join('\n')))

    const { code, out } = await bench('cache', '--short', '--json', '--traces', folder, '--plot', plot)
    const report = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as BenchReport
    expect(code).toBe(0)
    expect(Object.keys(report.ratios)).toEqual(expect.arrayContaining(['meanGap', 'worstVsLru', 'mine1', 'mine10', 'mineBytes1', 'mineBytes10']))
    expect(Object.values(report.ratios).every(Number.isFinite)).toBe(true)
    expect(await readFile(plot, 'utf8')).toContain('>mine-sized</text>')
  })

  it('cache goes on without traces, and says why', async () => {
    const { code, out } = await bench('cache', '--short', '--json', '--traces', join(folder, 'gone'))
    const { ratios } = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as BenchReport
    expect(code).toBe(0)
    expect(out).toContain(`The traces are left out, and with them their ratios: ${join(folder, 'gone')} is no folder`)
    expect(Object.keys(ratios)).toEqual(expect.arrayContaining(['meanGap', 'worstVsLru']))
    expect(Object.keys(ratios).filter(key => key.startsWith('cdn'))).toEqual([])
    expect(Object.values(ratios).every(Number.isFinite)).toBe(true)
  })

  it('cache names the line of a trace that is none', async () => {
    await writeFile(join(folder, 'bad.txt.gz'), gzipSync('a\nb\nc d\n'))
    const { code, err } = await bench('cache', '--short', '--traces', folder)
    expect(code).toBe(1)
    expect(err).toContain(`${join(folder, 'bad.txt.gz')}, line 3: bytes must be a whole number`)
  })
})
