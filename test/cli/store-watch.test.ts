import { expect, it, vi } from 'vitest'
import { watchStore } from '../../src/cli/store-watch.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { CacheHealth } from '../../src/interface/cache.ts'

it('warns once of the first block that could not be stored, and says why as the cache does', async () => {
  const clock = new VirtualClock()
  let failures = 0
  let health: CacheHealth = { state: 'ok' }
  const warn = vi.fn<(text: string) => void>()
  watchStore({ directory: '/store', clock, failures: () => failures, health: () => health, warn })

  await clock.advance(60_000)
  expect(warn).not.toHaveBeenCalled()

  health = { state: 'degraded', reason: 'writing: ENOSPC: no space left on device' }
  failures = 3
  await clock.advance(5000)
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/could not be stored in \/store: writing: ENOSPC.*Reads go on.*portolan_cache_skipped_writes_total/)]])

  await clock.advance(60_000)
  expect([warn.mock.calls.length, clock.pending]).toEqual([1, 0])
})

it('says so when the cache is well by then', async () => {
  const clock = new VirtualClock()
  const warn = vi.fn<(text: string) => void>()
  watchStore({ directory: '/store', clock, failures: () => 1, health: () => ({ state: 'ok' }), warn })
  await clock.advance(5000)
  expect(warn.mock.calls[0]?.[0]).toContain('it is well again, or was too slow')
})

it('leaves nothing behind when it ends', async () => {
  const clock = new VirtualClock()
  const warn = vi.fn<(text: string) => void>()
  watchStore({ directory: '/nowhere', clock, failures: () => 1, health: () => ({ state: 'ok' }), warn })()
  await clock.advance(60_000)
  expect([clock.pending, warn.mock.calls.length]).toEqual([0, 0])
})
