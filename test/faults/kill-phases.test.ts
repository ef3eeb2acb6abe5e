import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LevelBlockstore } from 'blockstore-level'
import { afterEach, describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { directoryStore } from '../../src/config/store.ts'
import { faultBlock, isRight } from './support/fault-blocks.ts'
import { readBlock } from './support/read-block.ts'
import { noSmallDisk, smallDisk } from './support/small-disk.ts'
import type { Phase, PhaseInit } from './support/phase-process.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

/** In each phase: `PORTOLAN_PHASE_KILLS=200 npm run test:faults -- kill-phases` for an hour */
const KILLS = Number(process.env.PORTOLAN_PHASE_KILLS ?? 5)
const SEED = Number(process.env.PORTOLAN_SEED ?? Date.now() % 100_000)
const MIB = 1024 ** 2
const LIMITS = { maxBytes: 24 * MIB, memoryBytes: MIB / 2, transitBytes: MIB }
const NUMBERS_A_CYCLE = 10_000
/** Longest pause after the phase began, in ms, at first: it follows how long the phase takes on this machine */
const WITHIN: Readonly<Record<Phase, number>> = { 'take-over': 700, close: 30, clear: 60, 'clear-all': 60, gc: 60, 'full-disk': 300 }
const READY_TIMEOUT = 60_000

const noDisk = await noSmallDisk()
let cleanups: Array<() => Promise<void>> = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup()
  }
  cleanups = []
})

async function directory (phase: Phase): Promise<string> {
  if (phase === 'full-disk') {
    const disk = await smallDisk(8 * MIB)
    cleanups.push(async () => disk.remove())
    return join(disk.path, 'cache')
  }
  const path = await mkdtemp(join(tmpdir(), 'portolan-phase-'))
  cleanups.push(async () => rm(path, { recursive: true, force: true }))
  return path
}

/** When to kill: sooner after a phase that was over already, later after one that was not */
class Pauses {
  #longest: number
  #interrupted = 0
  #kills = 0

  constructor (longest: number) {
    this.#longest = longest
  }

  get interrupted (): number {
    return this.#interrupted
  }

  /** Until it came in the middle at least once */
  get enough (): boolean {
    return this.#kills >= KILLS && (this.#interrupted > 0 || this.#kills >= 5 * KILLS)
  }

  next (random: () => number): number {
    return random() * this.#longest
  }

  killed (isDone: boolean): void {
    this.#kills++
    this.#interrupted += isDone ? 0 : 1
    this.#longest = Math.max(1, this.#longest * (isDone ? 0.4 : 1.5))
  }
}

/** @returns what it said */
async function killed (init: PhaseInit, pause: number): Promise<string[]> {
  const child = fork(new URL('./support/phase-process.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = once(child, 'close')
  const begun = Promise.withResolvers<void>()
  const lines: string[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => {
    lines.push(line)
    if (line === 'phase') {
      begun.resolve()
    }
  })
  void ended.then(() => { begun.reject(new Error(`${init.phase}: the process ended before it had begun: ${lines.slice(-3).join()}`)) })
  const hang = setTimeout(() => { child.kill('SIGKILL') }, READY_TIMEOUT)
  child.send(init)
  try {
    await begun.promise
    await new Promise(resolve => setTimeout(resolve, pause))
  } finally {
    child.kill('SIGKILL')
    clearTimeout(hang)
    await ended
  }
  return lines
}

/** On a disk on which not even the lock can be written, that is said by name; then somebody makes room elsewhere */
async function opened (path: string): Promise<BlockCache> {
  try {
    return await openBlockCache({ path, ...LIMITS })
  } catch (err) {
    expect(err).toMatchObject({ code: 'ENOSPC', message: expect.stringContaining(path) as string })
    await rm(filler(path))
    return openBlockCache({ path, ...LIMITS })
  }
}

function filler (path: string): string {
  return join(path, '..', 'somebody-elses')
}

async function check (cache: BlockCache, kept: ReadonlySet<number>, gone: ReadonlySet<number>): Promise<{ lost: number[], wrong: number[], back: number[] }> {
  const found = { lost: [] as number[], wrong: [] as number[], back: [] as number[] }
  for (const number of kept) {
    const bytes = await readBlock(cache, number)
    if (bytes == null) {
      found.lost.push(number)
    } else if (!isRight(faultBlock(number), bytes)) {
      found.wrong.push(number)
    }
  }
  for (const number of gone) {
    if (await cache.has(faultBlock(number).cid)) {
      found.back.push(number)
    }
  }
  return found
}

describe(`kill -9 in the middle of it (seed ${SEED})`, () => {
  it.each(['close', 'clear', 'clear-all', 'gc', 'full-disk'] as const)(`%s, ${KILLS} times: opens, serves no wrong byte, has all that was acknowledged and nothing that was removed`, { timeout: 60_000 + KILLS * 15_000 }, async (phase) => {
    if (phase === 'full-disk' && noDisk != null) {
      console.log(`skipped: ${noDisk}`)
      return
    }
    const path = await directory(phase)
    const random = seededRandom(SEED)
    const kept = new Set<number>()
    const gone = new Set<number>()
    const pauses = new Pauses(WITHIN[phase])
    let puts = 0

    for (let kill = 0; !pauses.enough; kill++) {
      if (phase === 'full-disk' && !existsSync(filler(path))) {
        await writeFile(filler(path), Buffer.alloc(131_072))
      }
      const lines = await killed({ phase, path, from: (kill + 1) * NUMBERS_A_CYCLE }, pauses.next(() => random.next()))
      const isDone = lines.includes('done')
      pauses.killed(isDone)
      for (const [what, text] of lines.map(line => line.split(' '))) {
        const number = Number(text)
        if (what === 'put') {
          kept.add(number)
          puts++
        } else if (what === 'deleting') {
          kept.delete(number)
        } else if (what === 'deleted') {
          gone.add(number)
        }
      }
      if (phase === 'clear-all') {
        // each may be gone already; all are when it says so
        for (const number of kept) {
          if (isDone) {
            gone.add(number)
          }
        }
        kept.clear()
      }
      const cache = await opened(path)
      try {
        expect({ kill, ...await check(cache, kept, gone) }).toEqual({ kill, lost: [], wrong: [], back: [] })
        if (phase === 'full-disk') {
          // so that the next one fills it again
          for (const number of [...kept].slice(0, kept.size / 2)) {
            await cache.delete(faultBlock(number).cid)
            kept.delete(number)
            gone.add(number)
          }
          await cache.gc()
        }
      } finally {
        await cache.close()
      }
    }
    expect(pauses.interrupted).toBeGreaterThan(0)
    expect(puts).toBeGreaterThan(KILLS * 10)
  })

  it(`taking over a former store, ${KILLS} times: all of it is there in the end`, { timeout: 60_000 + KILLS * 15_000 }, async () => {
    const random = seededRandom(SEED)
    const numbers = Array.from({ length: 400 }, (_, i) => i)
    const pauses = new Pauses(WITHIN['take-over'])

    while (!pauses.enough) {
      const path = await directory('take-over')
      const former = new LevelBlockstore(join(path, 'blocks'))
      await former.open()
      for (const number of numbers) {
        await former.put(faultBlock(number).cid, faultBlock(number).bytes)
      }
      await former.close()
      // several times the same one, each a little later
      for (let isDone = false; !isDone && !pauses.enough;) {
        const lines = await killed({ phase: 'take-over', path, from: 0 }, pauses.next(() => random.next()))
        isDone = lines.includes('done')
        pauses.killed(isDone)
      }
      const store = directoryStore(path, { maxBytes: LIMITS.maxBytes })
      await store.open()
      try {
        expect(await check(store.cache as BlockCache, new Set(numbers), new Set())).toEqual({ lost: [], wrong: [], back: [] })
        expect(store.cache?.stats().blocks.authored).toBe(numbers.length)
        expect([existsSync(join(path, 'blocks')), existsSync(join(path, 'blocks.taken-over'))]).toEqual([false, false])
      } finally {
        await store.close()
      }
    }
    expect(pauses.interrupted).toBeGreaterThan(0)
  })
})
