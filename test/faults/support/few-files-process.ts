/**
 * Works on a cache while something else in the process has all the file descriptors there are, and says on standard
 * output what came of it, as one line of JSON. Through `few-files.test.ts`, under `ulimit -n`.
 */
import { closeSync, openSync, readdirSync } from 'node:fs'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { openBlockCache } from '../../../src/index.ts'
import { faultBlock, isRight } from './fault-blocks.ts'
import type { BlockCache } from '../../../src/interface/cache.ts'

export interface FewFilesReport {
  /** Names and messages of errors, and what else should not be */
  readonly wrong: readonly string[]
  readonly descriptors: number
  readonly memoryReads: number
  /** Of blocks that were on disk alone */
  readonly diskReads: Readonly<Record<'right' | 'missed', number>>
  readonly admits: Readonly<Record<'kept' | 'skipped', number>>
  readonly skippedWrites: number
  readonly puts: Readonly<Record<string, number>>
  readonly health: readonly string[]
  readonly opening: string
  readonly cold: { readonly read: string, readonly has: boolean, readonly health: string }
  readonly recovered: boolean
  /** Acknowledged, and not there when it was opened again */
  readonly lost: readonly number[]
  /** Open when it began, and when all was closed */
  readonly leaked: number
}

const MIB = 1024 ** 2
const LIMITS = { maxBytes: 24 * MIB, memoryBytes: 2 * MIB, transitBytes: 8 * MIB }
const BLOCKS = 80
/** Read before: in memory from then on */
const WARM = 8
const RECOVERY_TIMEOUT = 60_000

const path = process.argv[2] as string
const taken: number[] = []
const wrong: string[] = []

/** Whatever is free, also what the cache has just closed */
function starve (): void {
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'))
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EMFILE') {
        throw err
      }
      return
    }
  }
}

function relent (): void {
  taken.splice(0).forEach(descriptor => { closeSync(descriptor) })
}

function openDescriptors (): number {
  return readdirSync('/proc/self/fd').length
}

async function read (cache: BlockCache, number: number): Promise<'right' | 'missed'> {
  const block = faultBlock(number)
  try {
    const chunks: Uint8Array[] = []
    for await (const chunk of cache.get(block.cid)) {
      chunks.push(chunk)
    }
    if (!isRight(block, Buffer.concat(chunks))) {
      wrong.push(`wrong bytes of ${number}`)
    }
    return 'right'
  } catch (err) {
    if ((err as Error).name !== 'NotFoundError') {
      wrong.push(String(err))
    }
    return 'missed'
  }
}

const first = await openBlockCache({ path, ...LIMITS })
const acknowledged: number[] = []
for (let i = 0; i < BLOCKS; i++) {
  await first.put(faultBlock(i).cid, faultBlock(i).bytes)
  acknowledged.push(i)
}
await first.close()

const before = openDescriptors()
const cache = await openBlockCache({ path, ...LIMITS })
for (let i = 0; i < WARM; i++) {
  await read(cache, i)
}
starve()

const report = { memoryReads: 0, diskReads: { right: 0, missed: 0 }, admits: { kept: 0, skipped: 0 }, puts: {} as Record<string, number>, health: new Set<string>() }
const look = (): void => {
  const { state, reason } = cache.health()
  report.health.add(reason == null ? state : `${state}: ${reason}`)
}
for (let i = 0; i < WARM; i++) {
  report.memoryReads += await read(cache, i) === 'right' ? 1 : 0
}
for (let i = WARM; i < BLOCKS; i++) {
  starve()
  report.diskReads[await read(cache, i)]++
  look()
}
for (let i = 1_000; i < 1_060; i++) {
  starve()
  const { cid, bytes } = faultBlock(i)
  try {
    report.admits[await cache.admit(cid, bytes, { origin: 'test' }) ? 'kept' : 'skipped']++
  } catch (err) {
    wrong.push(String(err))
  }
  look()
  starve()
  if (await read(cache, i) === 'missed') {
    wrong.push(`${i} could not be read when it was admitted`)
  }
}
for (let i = 2_000; i < 2_040; i++) {
  starve()
  const { cid, bytes } = faultBlock(i)
  let outcome = 'done'
  try {
    await cache.put(cid, bytes)
    acknowledged.push(i)
  } catch (err) {
    outcome = `${(err as Error).name}: ${(err as Error).message.includes('EMFILE') ? 'EMFILE' : (err as Error).message}`
  }
  report.puts[outcome] = (report.puts[outcome] ?? 0) + 1
  look()
}
const descriptors = taken.length
const { skippedWrites } = cache.stats()
relent()

const recovering = performance.now()
while (cache.health().state !== 'ok' && performance.now() - recovering < RECOVERY_TIMEOUT) {
  await setTimeout(50)
}
const { cid, bytes } = faultBlock(3_000)
const recovered = cache.health().state === 'ok' && await cache.admit(cid, bytes, { origin: 'test' })
for (const number of acknowledged) {
  if (await read(cache, number) === 'missed') {
    wrong.push(`${number} could not be read when there were descriptors again`)
  }
}
// what it cannot write down when it is closed is found all the same
starve()
await cache.close()

starve()
const opening = await openBlockCache({ path, ...LIMITS }).then(() => 'opened', (err: unknown) => `${(err as Error).name}: ${(err as Error).message}`)
relent()
const leaked = openDescriptors() - before

// what could not be written down when it was closed is read and synced at the next start, which leaves files open
await (await openBlockCache({ path, ...LIMITS })).close()
// without a single file of its own
const again = await openBlockCache({ path, ...LIMITS })
starve()
const cold = { read: await read(again, 0), has: await again.has(faultBlock(0).cid), health: again.health().reason ?? 'ok' }
relent()
const lost: number[] = []
for (const number of acknowledged) {
  if (await read(again, number) === 'missed') {
    lost.push(number)
  }
}
await again.close()
console.log(JSON.stringify({ wrong, cold, descriptors, skippedWrites, ...report, health: [...report.health], opening, recovered, lost, leaked } satisfies FewFilesReport))
