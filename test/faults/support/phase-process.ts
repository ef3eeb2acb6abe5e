/**
 * Does one thing with a cache or a store again and again until it is killed in the middle of it, and says on standard
 * output what was acknowledged, in single writes. Through `kill-phases.test.ts`.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import process from 'node:process'
import { openBlockCache } from '../../../src/cache/open-block-cache.ts'
import { directoryStore } from '../../../src/config/store.ts'
import { faultBlock } from './fault-blocks.ts'
import type { BlockCache } from '../../../src/interface/cache.ts'

export type Phase = 'take-over' | 'close' | 'clear' | 'clear-all' | 'gc' | 'full-disk'

export interface PhaseInit {
  readonly phase: Phase
  readonly path: string
  /** Numbers from here are this process's own */
  readonly from: number
}

const MIB = 1024 ** 2
export const PHASE_LIMITS = { maxBytes: 24 * MIB, memoryBytes: MIB / 2, transitBytes: MIB }
/** Put and deleted again, so that there is something to give back */
const BLOCKS = 60

function say (line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`)
      return
    } catch (err) {
      // whoever reads is slower
      if ((err as NodeJS.ErrnoException).code !== 'EAGAIN') {
        throw err
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

async function put (cache: BlockCache, number: number): Promise<void> {
  const { cid, bytes } = faultBlock(number)
  await cache.put(cid, bytes)
  say(`put ${number}`)
}

async function remove (cache: BlockCache, number: number): Promise<void> {
  say(`deleting ${number}`)
  await cache.delete(faultBlock(number).cid)
  say(`deleted ${number}`)
}

/** Blocks of both kinds, and what is left of others */
async function fill (cache: BlockCache, from: number): Promise<void> {
  for (let i = 0; i < BLOCKS; i++) {
    await put(cache, from + i)
    const { cid, bytes } = faultBlock(from + 1_000 + i)
    await cache.admit(cid, bytes, { origin: 'test' })
  }
  for (let i = 0; i < BLOCKS; i++) {
    if (i % 4 !== 0) {
      await remove(cache, from + i)
    }
  }
}

async function work ({ phase, path, from }: PhaseInit): Promise<void> {
  if (phase === 'take-over') {
    say('phase')
    await directoryStore(path, { maxBytes: PHASE_LIMITS.maxBytes }).open()
    say('done')
    return
  }
  const cache = await openBlockCache({ path, ...PHASE_LIMITS })

  if (phase === 'full-disk') {
    let refused = 0
    for (let number = from; ; number++) {
      try {
        await put(cache, number)
      } catch (err) {
        if ((err as Error).name !== 'CacheDiskError' && (err as Error).name !== 'CacheFullError') {
          throw err
        }
        if (refused++ === 0) {
          say('phase')
        }
        say('refused')
        // two of what is there already, or nothing would ever be written again
        await remove(cache, Math.max(from, number - 1 - refused % 40)).catch(() => { say('refused') })
      }
    }
  }
  await fill(cache, from)
  say('phase')
  switch (phase) {
    case 'close':
      await cache.close()
      break
    case 'clear':
      await cache.clear()
      break
    case 'clear-all':
      await cache.clear({ authored: true })
      break
    default:
      await cache.gc()
  }
  say('done')
}

const [init] = await once(process, 'message') as [PhaseInit]
await work(init)
// alive until it is killed
await once(process, 'message')
