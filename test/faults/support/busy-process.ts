/**
 * Works on a cache until it is killed, and says on standard output what was
 * acknowledged: in single writes, of which the system loses none when the process
 * dies. First it checks what its predecessors left. Through `kill.test.ts`.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import process from 'node:process'
import { seededRandom } from '../../../src/clock/random.ts'
import { openBlockCache } from '../../../src/index.ts'
import { faultBlock, isRight } from './fault-blocks.ts'
import { readBlock } from './read-block.ts'

export interface BusyInit {
  readonly path: string
  readonly seed: number
  /** Numbers from here are this process's own */
  readonly from: number
  /** Authored, and acknowledged */
  readonly kept: readonly number[]
  /** Deleted, and acknowledged */
  readonly gone: readonly number[]
}

const MIB = 1024 ** 2
/** Small enough that evictions and the moving of segments never rest */
const LIMITS = { maxBytes: 24 * MIB, memoryBytes: MIB / 2, transitBytes: MIB }
const WORKERS = 12
const MAX_AUTHORED = 150

function say (line: string): void {
  writeSync(1, `${line}\n`)
}

const [init] = await once(process, 'message') as [BusyInit]
const cache = await openBlockCache({ path: init.path, ...LIMITS })
const lost: number[] = []
const wrong: number[] = []
const back: number[] = []

for (const number of init.kept) {
  const bytes = await readBlock(cache, number)
  if (bytes == null) {
    lost.push(number)
  } else if (!isRight(faultBlock(number), bytes)) {
    wrong.push(number)
  }
}
for (const number of init.gone) {
  if (await cache.has(faultBlock(number).cid)) {
    back.push(number)
  }
}
say(`checked ${JSON.stringify({ lost, wrong, back })}`)

const random = seededRandom(init.seed)
const authored = [...init.kept]
const fetched: number[] = []
let next = init.from

let evicted = 0

async function work (): Promise<void> {
  while (true) {
    if (cache.stats().evicted > evicted) {
      say(`evicted ${cache.stats().evicted - evicted}`)
      evicted = cache.stats().evicted
    }
    const dice = random.next()

    if (dice < 0.25 && authored.length < MAX_AUTHORED) {
      const number = next++
      const { cid, bytes } = faultBlock(number)
      await cache.put(cid, bytes)
      say(`put ${number}`)
      authored.push(number)
    } else if (dice < 0.55) {
      const number = next++
      const { cid, bytes } = faultBlock(number)
      if (await cache.admit(cid, bytes, { origin: 'test' })) {
        fetched.push(number)
      }
    } else if (dice < 0.65 && authored.length > MAX_AUTHORED / 2) {
      const [number] = authored.splice(Math.floor(random.next() * authored.length), 1)
      if (number != null) {
        say(`deleting ${number}`)
        await cache.delete(faultBlock(number).cid)
        say(`deleted ${number}`)
      }
    } else {
      const list = dice < 0.85 ? fetched : authored
      const number = list[Math.floor(random.next() * list.length)]
      const bytes = number == null ? undefined : await readBlock(cache, number)
      if (number != null && bytes != null && !isRight(faultBlock(number), bytes)) {
        say(`wrong ${number}`)
      }
    }
  }
}

await Promise.all(Array.from({ length: WORKERS }, work))
