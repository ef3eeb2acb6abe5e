import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { MendedRecords } from '../../src/config/mended-records.ts'
import { openDatabase } from '../../src/config/open-database.ts'
import { PeerRecordWrites } from '../../src/config/peer-record-writes.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { Observer } from '../../src/interface/disclosure.ts'
import type { LedgerInit } from '../../src/privacy/ledger/disclosure-ledger.ts'

const NAME: Observer = 'p2p:12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
const MAX_AGE = 3_600_000

let path: string
/** How far the clock on the wall is ahead: the disk takes the time that it takes */
let ahead: number
const clock: Clock = { ...systemClock, wall: () => systemClock.wall() + ahead }
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'portolan-erased-'))
  ahead = 0
})
afterEach(() => { rmSync(path, { recursive: true, force: true }) })

/** Files of the database in which the name stands */
function named (): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(NAME))
    .map(({ name }) => name)
}

async function run (init: LedgerInit, work: (ledger: DisclosureLedger) => void): Promise<void> {
  const records = new MendedRecords(path)
  await records.db.close()
  await openDatabase(path, records)
  const ledger = new DisclosureLedger({ clock, random: seededRandom(1), datastore: new PeerRecordWrites(records) }, { maxAge: MAX_AGE, ...init })

  try {
    await ledger.start()
    work(ledger)
    await ledger.stop()
    expect(ledger.stats().journal?.failedWrites).toBe(0)
  } finally {
    await records.close()
  }
}

function disclose (ledger: DisclosureLedger, observer: Observer = NAME): void {
  new Disclosure(ledger, { observer, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', key: 'subject', at: clock.wall() }).sent()
}

describe('names that were kept as they are', () => {
  it('stand in no file once the node has started without', async () => {
    await run({ raw: true }, ledger => { disclose(ledger) })
    expect(named()).not.toEqual([])
    await run({}, () => {})
    expect(named()).toEqual([])
  })

  it('stand in no file once they are too old, while others are kept', async () => {
    await run({ raw: true }, ledger => { disclose(ledger) })
    expect(named()).not.toEqual([])
    ahead = MAX_AGE * 1.5
    await run({ raw: true }, ledger => { disclose(ledger, 'https://example.org') })
    expect(named()).toEqual([])
    await run({ raw: true }, ledger => { expect(ledger.entries().map(({ observer }) => observer)).toEqual(['https://example.org']) })
  })
})
