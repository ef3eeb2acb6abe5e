import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare } from '../../../bench/cache/compare.ts'
import { InvalidTraceError, parseTrace, readTraces } from '../../../bench/cache/read-traces.ts'
import { capacityFor, footprint, prefix } from '../../../bench/cache/trace.ts'

const init = { name: 'a trace', seed: 1 }

describe('parseTrace', () => {
  it('reads a key per line', () => {
    const trace = parseTrace('a\nb\na\r\nkey-with/marks:1\n', init)
    expect([...trace.requests]).toEqual([0, 1, 0, 2])
    expect([...trace.sizes]).toEqual([1, 1, 1])
    expect(trace.sized).toBe(false)
    expect(new Set(trace.hashes).size).toBe(3)
  })

  it('reads a key and its bytes per line, and an object keeps its first size', () => {
    const trace = parseTrace('a 10\n\nb\t20\na 30', init)
    expect([...trace.requests]).toEqual([0, 1, 0])
    expect([...trace.sizes]).toEqual([10, 20])
    expect(trace.sized).toBe(true)
  })

  it.each([
    ['a\nb 3', 'a trace, line 2: has bytes, though lines before it have none: "b 3"'],
    ['a 3\nb', 'a trace, line 2: has no bytes, though lines before it have: "b"'],
    ['a 3 4', 'a trace, line 1: more than a key and its bytes: "a 3 4"'],
    ['a -3', 'a trace, line 1: bytes must be a whole number below 10^15: "a -3"'],
    ['a 1.5', 'a trace, line 1: bytes must be a whole number below 10^15: "a 1.5"'],
    ['a 1e3', 'a trace, line 1: bytes must be a whole number below 10^15: "a 1e3"'],
    ['a 1000000000000000', 'a trace, line 1: bytes must be a whole number below 10^15: "a 1000000000000000"'],
    ['', 'a trace has no request'],
    ['\n \n', 'a trace has no request']
  ])('says what is wrong with %j', (text, message) => {
    expect(() => parseTrace(text, init)).toThrow(expect.objectContaining({ name: 'InvalidTraceError', message }) as Error)
  })

  it('gives other hashes with another seed, and the same ones with the same', () => {
    const hashes = (seed: number): number[] => [...parseTrace('a\nb', { ...init, seed }).hashes]
    expect(hashes(1)).toEqual(hashes(1))
    expect(hashes(1)).not.toEqual(hashes(2))
  })

  it('reads any text or says what is wrong with it', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), text => {
      try {
        expect(parseTrace(text, init).requests.length).toBeGreaterThan(0)
      } catch (err) {
        expect(err).toBeInstanceOf(InvalidTraceError)
      }
    }))
  })
})

describe('sizes of nothing and of more than there is', () => {
  const trace = parseTrace('none 0\nhuge 999999999999999\nsmall 5\nnone 0\nhuge 999999999999999\nsmall 5\nnone 0', init)

  it('count as a byte, and as themselves', () => {
    expect(footprint(trace)).toBe(1 + 999_999_999_999_999 + 5)
    expect(capacityFor(trace, 0.01)).toBe(10_000_000_000_000)
  })

  it.each([1e-15, 0.01, 1])('every policy goes on, with room for %d of them', share => {
    const { objects, bytes, optimum, optimumBytes } = compare(trace, share, 1)

    for (const percent of [...Object.values(objects), ...Object.values(bytes), optimum, optimumBytes]) {
      expect(percent).toBeGreaterThanOrEqual(0)
      expect(percent).toBeLessThanOrEqual(100)
    }
    expect(Math.max(...Object.values(objects))).toBeLessThanOrEqual(optimum + 1e-9)
  })
})

describe('prefix', () => {
  it('is the first requests and their objects', () => {
    const trace = parseTrace('a 1\nb 2\na 1\nc 3', init)
    expect(prefix(trace, 3)).toMatchObject({ requests: Int32Array.of(0, 1, 0), sizes: Float64Array.of(1, 2) })
    expect(prefix(trace, 4)).toBe(trace)
  })
})

describe('readTraces', () => {
  let folder: string

  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'portolan-traces-')) })
  afterEach(async () => { await rm(folder, { recursive: true }) })

  it('reads every NAME.txt.gz, by name, and nothing else', async () => {
    await writeFile(join(folder, 'b.txt.gz'), gzipSync('x 1\n'))
    await writeFile(join(folder, 'a.txt.gz'), gzipSync('x\ny\n'))
    await writeFile(join(folder, 'README.md'), 'words')

    const { traces, absent } = await readTraces(folder, 1)
    expect(traces.map(({ name, sized }) => [name, sized])).toEqual([['a', false], ['b', true]])
    expect(absent).toBeUndefined()
  })

  it('says why there are none', async () => {
    expect(await readTraces(join(folder, 'gone'), 1)).toEqual({ traces: [], absent: `${join(folder, 'gone')} is no folder` })
    expect(await readTraces(folder, 1)).toEqual({ traces: [], absent: `${folder} has no file *.txt.gz` })
  })

  it('names a file that is cut off, one that is no gzip, and the line of one that is no trace', async () => {
    const file = join(folder, 'a.txt.gz')
    const zipped = gzipSync('x\ny\n'.repeat(1000))

    await writeFile(file, zipped.subarray(0, zipped.length - 12))
    await expect(readTraces(folder, 1)).rejects.toThrow(expect.objectContaining({ name: 'InvalidTraceError', message: expect.stringContaining(file) as string }) as Error)
    await writeFile(file, 'x\ny\n')
    await expect(readTraces(folder, 1)).rejects.toThrow(InvalidTraceError)
    await writeFile(file, gzipSync('x\ny z\n'))
    await expect(readTraces(folder, 1)).rejects.toThrow(`${file}, line 2: bytes must be`)
    await writeFile(file, '')
    await expect(readTraces(folder, 1)).rejects.toThrow(InvalidTraceError)
  })
})
