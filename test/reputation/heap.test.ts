import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('a thousand idle providers with two routes each take less than 2 MB of heap', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', new URL('support/heap.ts', import.meta.url).pathname])
  const { bytes, size } = JSON.parse(stdout) as { bytes: number, size: number }
  expect(size).toBe(1_200)
  expect(bytes).toBeGreaterThan(100_000)
  expect(bytes).toBeLessThan(2_000_000)
})
