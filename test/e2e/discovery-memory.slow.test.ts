import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { DEFAULT_RECORDS } from '../../src/discovery/records/provider-records.ts'

interface Told {
  readonly answered: number
  readonly grown: number
  readonly records: number
  readonly silent: number
  readonly entries: number
  readonly timers: number
  readonly walks: { readonly begun: number, readonly ended: number, readonly failed: number }
  readonly lookups: { readonly lookups: number, readonly hits: number }
}

it('discovery holds no more after 100 000 different CIDs than when its tables were full', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', new URL('support/discovery-memory.ts', import.meta.url).pathname])
  const told = JSON.parse(stdout) as Told

  expect(told).toMatchObject({ answered: 100_000, walks: { begun: 100_000, ended: 100_000, failed: 0 }, lookups: { lookups: 100_000, hits: 0 }, timers: 0 })
  // the tables are as full as they may be, and the store has no more than they
  expect(told.records).toBeLessThanOrEqual(DEFAULT_RECORDS.entries)
  expect(told.records).toBeGreaterThan(DEFAULT_RECORDS.entries / 2)
  expect(told.silent).toBeLessThanOrEqual(4_096)
  expect(told.entries).toBeLessThanOrEqual(DEFAULT_RECORDS.entries + 9)
  // 80 000 lookups that left 100 bytes each would be 8 MB
  expect(told.grown).toBeLessThan(4_000_000)
}, 280_000)
