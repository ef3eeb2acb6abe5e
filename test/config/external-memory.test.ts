import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MODULE = new URL('../../src/config/external-memory.ts', import.meta.url).href

/** Full collections of a process that goes through 2 GiB of buffers, and what it wrote on standard error */
async function collections (before: string): Promise<{ count: number, stderr: string }> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', `
    import { PerformanceObserver, constants } from 'node:perf_hooks'
    import { accountExternalMemory } from ${JSON.stringify(MODULE)}
    ${before}
    let count = 0
    new PerformanceObserver(list => {
      count += list.getEntries().filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length
    }).observe({ entryTypes: ['gc'] })
    const kept = []
    for (let i = 0; i < 2048; i++) {
      kept[i % 8] = new Uint8Array(1048576)
      if (i % 16 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await new Promise(resolve => setImmediate(resolve))
    console.log(count)
  `])
  return { count: Number(stdout), stderr }
}

it('buffers outside the heap cause fewer collections of all of it, and this Node knows the flag', async () => {
  const without = await collections('')
  const accounted = await collections('accountExternalMemory()')

  expect(accounted.stderr).toBe('')
  expect(accounted.count).toBeLessThan(without.count)
}, 30_000)
