/**
 * Keeps a ledger in a directory and discloses until it is killed, and says on standard output, in single writes, how much of
 * it was written. Through `ledger.test.ts`.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemRandom } from '../../../src/clock/random.ts'
import { directoryStore } from '../../../src/config/store.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { fastClock } from './fast-clock.ts'

export interface LedgerProcessInit {
  readonly path: string
  readonly raw: boolean
  /** Numbers from here are this process's own */
  readonly from: number
}

/** A write each 10 ms, so that most kills come amid one */
const TIMES = 1_000
const AT_ONCE = 40

const [{ path, raw, from }] = await once(process, 'message') as [LedgerProcessInit]
const clock = fastClock(TIMES)
const store = directoryStore(path, { maxBytes: 8 * 1024 ** 2 })

try {
  await store.open()
} catch (err) {
  writeSync(1, `refused ${(err as Error).name}: ${(err as Error).message}\n`)
  process.exit(1)
}
const ledger = new DisclosureLedger({ clock, random: systemRandom, datastore: store.datastore }, { raw, maxEntries: 1_000_000 })
await ledger.start()
const before = ledger.stats().journal?.entries ?? 0
writeSync(1, `opened ${before} ${ledger.stats().total} ${ledger.stats().journal?.dropped}\n`)

for (let n = from, told = before; ; n++) {
  new Disclosure(ledger, { observer: `p2p:secret-observer-${n}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: `secret-request-${n}`, purpose: 'read', key: `secret-subject-${n}`, client: `secret-client-${n}`, at: clock.wall() }).sent()
  if (n % AT_ONCE === 0) {
    await sleep(1)
    const { entries = 0 } = ledger.stats().journal ?? {}
    if (entries > told) {
      told = entries
      writeSync(1, `kept ${entries - before}\n`)
    }
  }
}
