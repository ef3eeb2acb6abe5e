import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import type { Random } from '../../src/interface/clock.ts'
import type { BusyInit } from './support/busy-process.ts'

/** `PORTOLAN_KILLS=1000 npm run test:faults -- kill` for an evening */
const KILLS = Number(process.env.PORTOLAN_KILLS ?? 50)
const SEED = Number(process.env.PORTOLAN_SEED ?? Date.now() % 100_000)
const NUMBERS_A_CYCLE = 100_000
/** An evening says how far it is */
const TOLD_EVERY = 100
/** Twice as many at most are looked for in each cycle */
const GONE_CHECKED = 200
/** Long enough for a process to start, a cache to open and its blocks to be read on a busy machine */
const READY_TIMEOUT = 60_000

interface Checked {
  readonly lost: readonly number[]
  readonly wrong: readonly number[]
  readonly back: readonly number[]
}

it(`${KILLS} times kill -9: opens every time, serves no wrong byte, has all that was acknowledged (seed ${SEED})`, { timeout: 60_000 + KILLS * 5_000 }, async () => {
  const path = await mkdtemp(join(tmpdir(), 'portolan-kill-'))
  const random = seededRandom(SEED)
  const kept = new Set<number>()
  const gone = new Set<number>()
  const seen = { puts: 0, deletes: 0, evicted: 0, duringOpen: 0, bytes: 0 }

  try {
    for (let cycle = 0; cycle <= KILLS; cycle++) {
      const init: BusyInit = { path, seed: SEED + cycle, from: (cycle + 1) * NUMBERS_A_CYCLE, kept: [...kept], gone: some(gone, random) }
      const child = fork(new URL('./support/busy-process.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
      const ended = once(child, 'close')
      const checked = Promise.withResolvers<Checked>()
      const lines: string[] = []
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => {
        lines.push(line)
        if (line.startsWith('checked ')) {
          checked.resolve(JSON.parse(line.slice('checked '.length)) as Checked)
        }
      })
      void ended.then(() => { checked.reject(new Error(`cycle ${cycle}: the process ended before it had checked the cache`)) })
      checked.promise.catch(() => {}) // some are killed before they say it
      child.send(init)

      // one in six while it opens and checks, which has repairs to interrupt; never the last one
      const early = cycle < KILLS && cycle > 0 && random.next() < 1 / 6
      const hang = setTimeout(() => { child.kill('SIGKILL') }, READY_TIMEOUT)
      if (early) {
        seen.duringOpen++
      } else {
        const { lost, wrong, back } = await checked.promise
        expect({ cycle, lost, wrong, back }).toEqual({ cycle, lost: [], wrong: [], back: [] })
      }
      await new Promise(resolve => setTimeout(resolve, early ? 350 + random.next() * 300 : 40 + random.next() * 360))
      child.kill('SIGKILL')
      clearTimeout(hang)
      await ended

      for (const line of lines) {
        const [what, text] = line.split(' ')
        const number = Number(text)
        expect(what, `cycle ${cycle}: wrong bytes were served`).not.toBe('wrong')
        if (what === 'put') {
          kept.add(number)
          seen.puts++
        } else if (what === 'deleting') {
          kept.delete(number)
        } else if (what === 'deleted') {
          gone.add(number)
          seen.deletes++
        } else if (what === 'evicted') {
          seen.evicted += number
        }
      }
      if (cycle > 0 && cycle % TOLD_EVERY === 0) {
        console.log(`${cycle} kills, ${seen.duringOpen} of them while it opened; ${seen.puts} puts and ${seen.deletes} deletes acknowledged, none lost, no wrong byte`)
      }
    }
    seen.bytes = await sizeOf(path)
    expect(seen.bytes).toBeLessThanOrEqual(24 * 1024 ** 2)
    // it was under way when it was killed, and not idle
    expect(seen.puts).toBeGreaterThan(KILLS * 4)
    expect(seen.deletes).toBeGreaterThan(0)
    expect(seen.evicted).toBeGreaterThan(0)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})

/** The newest, and some of the others: to look at all of them takes ever longer */
function some (gone: ReadonlySet<number>, random: Random): number[] {
  const all = [...gone]
  return [...all.slice(-GONE_CHECKED), ...Array.from({ length: Math.min(GONE_CHECKED, all.length) }, () => all[Math.floor(random.next() * all.length)] as number)]
}

async function sizeOf (path: string): Promise<number> {
  const names = await readdir(path, { recursive: true })
  const sizes = await Promise.all(names.map(async name => {
    const found = await stat(join(path, name))
    return found.isFile() ? found.size : 0
  }))
  return sizes.reduce((sum, size) => sum + size, 0)
}
