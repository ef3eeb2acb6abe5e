import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { MendedRecords } from '../../src/config/mended-records.ts'
import { openDatabase } from '../../src/config/open-database.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { fastClock } from './support/fast-clock.ts'
import { noSmallDisk, smallDisk } from './support/small-disk.ts'
import type { Exposure } from '../../src/interface/privacy.ts'
import type { LedgerProcessInit } from './support/ledger-process.ts'
import type { ChildProcess } from 'node:child_process'

/** `PORTOLAN_LEDGER_KILLS=1000 npm run test:faults -- ledger` for an evening */
const KILLS = Number(process.env.PORTOLAN_LEDGER_KILLS ?? 25)
const SEED = Number(process.env.PORTOLAN_SEED ?? Date.now() % 100_000)
const NUMBERS_A_RUN = 1_000_000
/** Long enough for a process to start on a busy machine */
const READY_TIMEOUT = 60_000
const RECOVERY = { timeout: 30_000, interval: 20 }
/** 100 ms between two writes */
const clock = fastClock(100)

const missing = await noSmallDisk()
const undo: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const each of undo.splice(0).reverse()) {
    await each()
  }
})

async function directory (): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'portolan-ledger-'))
  undo.push(async () => rm(path, { recursive: true, force: true }))
  return path
}

interface Started {
  readonly child: ChildProcess
  readonly lines: string[]
  /** @returns the first line that begins so */
  line (start: string): Promise<string>
  kill (): Promise<void>
}

function start (init: LedgerProcessInit): Started {
  const child = fork(new URL('./support/ledger-process.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = once(child, 'close')
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => { lines.push(line) })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  undo.push(kill)
  child.send(init)

  return {
    child,
    lines,
    kill,
    async line (start) {
      const signal = AbortSignal.timeout(READY_TIMEOUT)
      for (;;) {
        const found = lines.find(line => line.startsWith(start))
        if (found != null) {
          return found
        }
        await once(reader, 'line', { signal })
      }
    }
  }
}

async function open (path: string): Promise<MendedRecords> {
  const datastore = new MendedRecords(path)
  await datastore.db.close()
  await openDatabase(path, datastore)
  undo.push(async () => datastore.close())
  return datastore
}

async function ledgerOn (datastore: MendedRecords, init: ConstructorParameters<typeof DisclosureLedger>[1]): Promise<DisclosureLedger> {
  const ledger = new DisclosureLedger({ clock, random: seededRandom(SEED), datastore }, init)
  await ledger.start()
  undo.push(async () => ledger.stop())
  return ledger
}

function disclose (ledger: DisclosureLedger, n: number): void {
  new Disclosure(ledger, { observer: `p2p:secret-observer-${n}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: `secret-request-${n}`, purpose: 'read', key: `secret-subject-${n}`, client: `secret-client-${n}`, at: clock.wall() }).sent()
}

async function kept (ledger: DisclosureLedger): Promise<Exposure[]> {
  const all: Exposure[] = []
  for await (const exposure of ledger.kept()) {
    all.push(exposure)
  }
  return all
}

/** Files in which it is found */
async function filesWith (path: string, text: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const names = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const found = await Promise.all(names.map(async name => (await readFile(name)).includes(text)))
  return names.filter((_, i) => found[i])
}

describe.each([false, true])('a ledger that is killed while it writes (raw names: %s)', raw => {
  it(`${KILLS} times: it opens, has all that was written, nothing twice, and no names where none are wanted (seed ${SEED})`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
    const path = await directory()
    const random = seededRandom(SEED)
    let least = 0
    let amidst = 0

    for (let kill = 0; kill < KILLS; kill++) {
      const run = start({ path, raw, from: (kill + 1) * NUMBERS_A_RUN })
      const [, entries, total, dropped] = (await run.line('opened')).split(' ').map(Number)
      expect(entries, `what was written before kill ${kill}`).toBeGreaterThanOrEqual(least)
      expect(total, 'what came amid a write is counted, if not named').toBeGreaterThanOrEqual(entries ?? Infinity)
      expect(dropped).toBe(0)
      await run.line('kept')
      await sleep(random.next() * 120)
      await run.kill()
      least = (entries ?? 0) + Number(run.lines.at(-1)?.split(' ')[1])
      amidst += run.lines.length > 2 ? 1 : 0
    }

    const datastore = await open(path)
    const ledger = await ledgerOn(datastore, { raw, maxEntries: 1_000_000 })
    const all = await kept(ledger)
    expect(all.length).toBeGreaterThanOrEqual(least)
    expect(ledger.stats().total).toBeGreaterThanOrEqual(all.length)
    expect(ledger.stats()).toMatchObject({ journal: { dropped: 0, failedWrites: 0 } })
    expect(new Set(all.map(({ subject }) => subject)).size).toBe(all.length)
    expect(amidst).toBeGreaterThan(0)
    expect((await filesWith(path, 'secret-')).length > 0).toBe(raw)
  })
})

it('belongs to one process at a time: the second is told so by name, and changes nothing', async () => {
  const path = await directory()
  const first = start({ path, raw: true, from: NUMBERS_A_RUN })
  await first.line('kept')
  const second = start({ path, raw: true, from: 5 * NUMBERS_A_RUN })
  expect(await second.line('refused')).toMatch(/StoreLockedError: .* in use by another process/)
  await first.kill()

  const ledger = await ledgerOn(await open(path), { raw: true, maxEntries: 1_000_000 })
  const subjects = ledger.entries().map(({ subject }) => Number(subject?.split('-')[2]))
  expect(subjects.length).toBeGreaterThanOrEqual(Number(first.lines.at(-1)?.split(' ')[1]))
  expect(subjects).toEqual(subjects.map((_, i) => NUMBERS_A_RUN + i))
})

describe.skipIf(missing != null)(`a ledger on a full disk${missing == null ? '' : `: ${missing}`}`, () => {
  it.each([false, true])('goes on in memory, writes again when there is room, and lost nothing (raw names: %s)', async raw => {
    const disk = await smallDisk(1024 ** 2)
    undo.push(async () => disk.remove())
    const datastore = await open(disk.path)
    const ledger = await ledgerOn(datastore, { raw })
    disclose(ledger, 0)
    await expect.poll(() => ledger.stats().journal?.entries, RECOVERY).toBe(1)

    const filler = join(disk.path, 'somebody-elses')
    const { bavail, bsize } = await statfs(disk.path)
    await writeFile(filler, Buffer.alloc(bavail * bsize))
    for (let n = 1; n < 400; n++) {
      disclose(ledger, n)
    }
    await expect.poll(() => ledger.stats().journal?.failedWrites, RECOVERY).toBeGreaterThan(2)
    expect(ledger.entries()).toHaveLength(400)

    await rm(filler)
    disclose(ledger, 400)
    await expect.poll(() => ledger.stats().journal?.entries, RECOVERY).toBe(401)
    disclose(ledger, 401)
    await ledger.stop()
    await datastore.close()

    const again = await ledgerOn(await open(disk.path), { raw })
    expect(await kept(again)).toHaveLength(402)
    expect(again.stats()).toMatchObject({ total: 402, journal: { dropped: 0, failedWrites: 0 } })
    expect(again.entries()).toHaveLength(raw ? 402 : 0)
  })
})
