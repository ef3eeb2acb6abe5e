import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { watchStore } from '../../src/cli/store-watch.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

it('warns once of the first block that could not be stored, and says why', async () => {
  const clock = new VirtualClock()
  const directory = mkdtempSync(join(tmpdir(), 'portolan-watch-'))
  let failures = 0
  const warn = vi.fn<(text: string) => void>()
  watchStore({ directory, clock, failures: () => failures, warn })

  await clock.advance(60_000)
  expect(warn).not.toHaveBeenCalled()

  rmSync(directory, { recursive: true })
  failures = 3
  await clock.advance(5000)
  await vi.waitFor(() => { expect(warn).toHaveBeenCalledOnce() })
  expect(warn.mock.calls[0]?.[0]).toContain(`could not be stored in ${directory}: `)
  expect(warn.mock.calls[0]?.[0]).toMatch(/ENOENT.*Reads go on.*portolan_cache_skipped_writes_total/)

  await clock.advance(60_000)
  expect([warn.mock.calls.length, clock.pending]).toEqual([1, 0])
})

it('says so when files can be written all the same, and leaves none', async () => {
  const clock = new VirtualClock()
  const directory = mkdtempSync(join(tmpdir(), 'portolan-watch-'))
  const told = Promise.withResolvers<string>()
  watchStore({ directory, clock, failures: () => 1, warn: told.resolve })
  await clock.advance(5000)
  expect(await told.promise).toContain('it is well again, or too slow')
  expect(readdirSync(directory)).toEqual([])
  rmSync(directory, { recursive: true })
})

it('leaves nothing behind when it ends', async () => {
  const clock = new VirtualClock()
  const warn = vi.fn<(text: string) => void>()
  watchStore({ directory: '/nowhere', clock, failures: () => 1, warn })()
  await clock.advance(60_000)
  expect([clock.pending, warn.mock.calls.length]).toEqual([0, 0])
})
