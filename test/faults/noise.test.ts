import { cp, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { faultBlock, isRight } from './support/fault-blocks.ts'
import type { ComponentLogger } from '../../src/interface/logger.ts'

/** Of each file: `PORTOLAN_NOISE=200 npm run test:faults -- noise` for an hour */
const ROUNDS = Number(process.env.PORTOLAN_NOISE ?? 4)
const SEED = Number(process.env.PORTOLAN_SEED ?? Date.now() % 100_000)
const MIB = 1024 ** 2
const INIT = { maxBytes: 64 * MIB, memoryBytes: 0, transitBytes: 0 }
const NUMBERS = Array.from({ length: 40 }, (_, i) => i).filter(number => number % 10 !== 9)
const GONE = [3, 13]
/** Files up to so many bytes are cut to every length, longer ones to some */
const SMALL = 256
/** By whom a cache that is not to be understood says so */
const NAMED = /^Cache(Format|Locked)Error$/

let template: string
let path: string

beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), 'portolan-noise-'))
  path = `${template}.copy`
  const cache = await openBlockCache({ path: template, ...INIT })
  for (const number of NUMBERS) {
    await cache.put(faultBlock(number).cid, faultBlock(number).bytes)
  }
  for (const number of GONE) {
    await cache.delete(faultBlock(number).cid)
  }
  await cache.close()
})

afterAll(async () => {
  await rm(template, { recursive: true, force: true })
  await rm(path, { recursive: true, force: true })
})

async function files (): Promise<string[]> {
  const names = await readdir(template, { recursive: true })
  const found: string[] = []
  for (const name of names.sort()) {
    if ((await stat(join(template, name))).isFile()) {
      found.push(name)
    }
  }
  return found
}

/** @returns what became of it: which error, or how many blocks were lost. Nothing wrong is ever read, and it can be written to */
async function outcome (name: string, content: Uint8Array): Promise<{ error?: string, lost: number, said: number }> {
  const said: string[] = []
  const log = Object.assign(() => {}, { error: (text: unknown) => { said.push(String(text)) }, trace () {}, enabled: true })
  const logger = { forComponent: () => log } as unknown as ComponentLogger
  let lost = 0

  await rm(path, { recursive: true, force: true })
  await cp(template, path, { recursive: true })
  await writeFile(join(path, name), content)
  let cache
  try {
    cache = await openBlockCache({ path, ...INIT, logger })
  } catch (err) {
    expect({ name, error: (err as Error).name, message: (err as Error).message }).toEqual({ name, error: expect.stringMatching(NAMED) as string, message: expect.stringContaining(path) as string })
    return { error: (err as Error).name, lost: 0, said: 0 }
  }
  try {
    for (const number of NUMBERS.filter(number => !GONE.includes(number))) {
      const block = faultBlock(number)
      const chunks: Uint8Array[] = []
      try {
        for await (const chunk of cache.get(block.cid)) {
          chunks.push(chunk)
        }
        expect(isRight(block, Buffer.concat(chunks))).toBe(true)
      } catch (err) {
        expect((err as Error).name).toBe('NotFoundError')
        lost++
      }
    }
    const fresh = faultBlock(500)
    await cache.put(fresh.cid, fresh.bytes)
    expect(await cache.has(fresh.cid)).toBe(true)
  } finally {
    await cache.close()
  }
  // and it opens again, with what was put since
  const again = await openBlockCache({ path, ...INIT })
  expect(await again.has(faultBlock(500).cid)).toBe(true)
  await again.close()
  return { lost, said: said.length }
}

/** Blocks may be lost with the bytes that they were in, and with nothing else */
function costs (name: string): boolean {
  return name.endsWith('.seg')
}

describe(`in each file of a store (seed ${SEED})`, () => {
  it(`noise is repaired or refused by name, ${ROUNDS} times each, and never served`, { timeout: 120_000 + ROUNDS * 60_000 }, async () => {
    const random = seededRandom(SEED)
    const seen: Record<string, string> = {}

    for (const name of await files()) {
      for (let round = 0; round < ROUNDS; round++) {
        const content = await readFile(join(template, name))
        // all of it, or a stretch
        const length = round % 2 === 0 ? content.byteLength : Math.ceil(random.next() * content.byteLength)
        const from = Math.floor(random.next() * (content.byteLength - length + 1))
        for (let at = from; at < from + length; at++) {
          content[at] = Math.floor(random.next() * 256)
        }
        const { error, lost, said } = await outcome(name, content)
        seen[name] = `${seen[name] ?? ''} ${error ?? `${lost} lost`}`
        if (!costs(name)) {
          expect({ name, round, lost }).toEqual({ name, round, lost: 0 })
        } else if (lost > 0) {
          expect({ name, round, isSaid: said > 0 }).toEqual({ name, round, isSaid: true })
        }
      }
    }
    expect(Object.keys(seen).length).toBeGreaterThanOrEqual(6)
  })

  it('a cut at any length is repaired or refused by name', { timeout: 600_000 }, async () => {
    const random = seededRandom(SEED)
    let cuts = 0

    for (const name of await files()) {
      const content = await readFile(join(template, name))
      const lengths = content.byteLength <= SMALL && !name.startsWith('lock')
        ? Array.from({ length: content.byteLength }, (_, i) => i)
        : [0, 1, 12, 28, 39, 40, content.byteLength - 1, ...Array.from({ length: ROUNDS }, () => Math.floor(random.next() * content.byteLength))]
      for (const length of lengths.filter(length => length >= 0 && length < content.byteLength)) {
        const { lost } = await outcome(name, content.subarray(0, length))
        cuts++
        if (!costs(name)) {
          expect({ name, length, lost }).toEqual({ name, length, lost: 0 })
        }
      }
    }
    expect(cuts).toBeGreaterThan(100)
  })
})
