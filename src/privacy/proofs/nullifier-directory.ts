import { existsSync } from 'node:fs'
import { mkdir, open, opendir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { raceSignal } from '../../clock/race-signal.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { checkComponents, checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { fileProblem } from './bounded-file.ts'
import { NullifierStoreError } from './errors.ts'
import { DEFAULT_MAX_NULLIFIERS, DEFAULT_STORE_TIMEOUT, hexadecimal, NULLIFIER_OPTIONS } from './nullifier-book.ts'
import type { NullifierClaim, Nullifiers } from './nullifier-book.ts'
import type { Clock } from '../../interface/clock.ts'

/** Tells such a directory from any other: nothing is written to, or taken from, one that has something else in it */
const MARK = 'portolan-claims-1'

/** Of a scope, and of a nullifier */
const NUMBER = /^[\da-f]{64}$/

const UNTIL = /^until-(\d{1,15})$/
const FORGOTTEN = /^forgotten-(\d{1,15})$/

/** Scopes are forgotten when they are over; a directory with so many is not ours */
const MAX_NAMES = 100_000

export interface NullifierDirectoryComponents {
  /** @default the machine's */
  clock?: Pick<Clock, 'wall' | 'timeout'>
}

export interface NullifierDirectoryInit {
  /** Claims that are held of one scope. @default 65_536 */
  maxEntries?: number
  /** Longest wait for the file system, in ms. @default 5_000 */
  timeout?: number
}

/**
 * Nullifiers as names in a directory, for processes that come and go: to take a claim is to make a file that must not
 * be there, which the system lets one of them do, so that nobody waits for a lock or has to break one. There is nothing in
 * the files that could be damaged.
 *
 * `portolan-claims-1`, `forgotten-MS`, and for each scope `SCOPE/until-MS` and `SCOPE/NULLIFIER`
 */
export class NullifierDirectory implements Nullifiers {
  readonly #path: string
  readonly #clock: Pick<Clock, 'wall' | 'timeout'>
  readonly #maxEntries: number
  readonly #timeout: number

  private constructor (path: string, { clock = systemClock }: NullifierDirectoryComponents, { maxEntries = DEFAULT_MAX_NULLIFIERS, timeout = DEFAULT_STORE_TIMEOUT }: NullifierDirectoryInit) {
    this.#path = path
    this.#clock = clock
    this.#maxEntries = maxEntries
    this.#timeout = timeout
  }

  /** Makes the directory, in one that exists. Throws a `NullifierStoreError` where claims cannot be kept. */
  static async open (path: string, components: NullifierDirectoryComponents = {}, init: NullifierDirectoryInit = {}, options: { signal?: AbortSignal } = {}): Promise<NullifierDirectory> {
    options.signal?.throwIfAborted()
    checkComponents('a record of claims', components, NULLIFIER_OPTIONS, option => `NullifierDirectory.open(path, {}, { ${option} })`)
    checkOptionNames('a record of claims', init, NULLIFIER_OPTIONS)
    const directory = new NullifierDirectory(path, components, init)

    await directory.#bounded(async () => {
      await directory.#make()
      await directory.#scopes()
    })
    return directory
  }

  has (scope: bigint, nullifier: bigint): boolean {
    return existsSync(join(this.#path, hexadecimal(scope), hexadecimal(nullifier)))
  }

  async claim ({ scope, nullifier, until }: NullifierClaim, { signal }: { signal?: AbortSignal } = {}): Promise<'claimed' | 'seen' | 'forgotten'> {
    signal?.throwIfAborted()
    if (this.has(scope, nullifier)) {
      return 'seen'
    }

    // from here on it is taken or not, and whoever asked is told: a signal does not leave that open
    return await this.#bounded(async () => {
      const { scopes, horizon } = await this.#scopes()
      if (until <= await this.#forget(scopes, horizon)) {
        return 'forgotten'
      }
      return await this.#take(hexadecimal(scope), hexadecimal(nullifier), until)
    })
  }

  async #take (scope: string, nullifier: string, until: number): Promise<'claimed' | 'seen'> {
    const directory = join(this.#path, scope)
    await mkdir(directory, { mode: 0o700 }).catch(unlessThere)
    const names = await namesOf(directory)

    if (names.filter(name => NUMBER.test(name)).length >= this.#maxEntries) {
      throw new NullifierStoreError(`${this.#maxEntries} claims of one epoch are held, and none of them can be forgotten yet`)
    }
    if (!names.includes(`until-${until}`)) {
      await makeFile(join(directory, `until-${until}`)).catch(unlessThere)
    }

    const path = join(directory, nullifier)
    try {
      await makeFile(path)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'EEXIST') {
        return 'seen'
      }
      throw err
    }
    try {
      await syncDirectory(directory)
      await syncDirectory(this.#path)
    } catch (err) {
      // not kept for sure, so not taken
      await rm(path, { force: true })
      throw err
    }
    return 'claimed'
  }

  /** Drops the scopes that are over. That they were there is noted first: when the clock is set back, that time stays closed. */
  async #forget (scopes: readonly string[], horizon: number): Promise<number> {
    const now = this.#clock.wall()
    const over: string[] = []
    let last = horizon

    for (const scope of scopes) {
      const directory = join(this.#path, scope)
      const until = numbersOf(await namesOf(directory), UNTIL)
      const end = Math.max(...until)

      // one that does not say how long it counts, counts
      if (until.length > 0 && end <= now) {
        over.push(directory)
        last = Math.max(last, end)
      }
    }
    if (over.length > 0) {
      await makeFile(join(this.#path, `forgotten-${last}`)).catch(unlessThere)
      await syncDirectory(this.#path)
      for (const directory of over) {
        await rm(directory, { recursive: true, force: true })
      }
      for (const before of numbersOf(await namesOf(this.#path), FORGOTTEN).filter(time => time < last)) {
        await rm(join(this.#path, `forgotten-${before}`), { force: true })
      }
    }
    return last
  }

  async #make (): Promise<void> {
    await mkdir(this.#path, { mode: 0o700 }).catch(unlessThere)
    const names = await namesOf(this.#path)

    if (!names.includes(MARK)) {
      if (names.length > 0) {
        throw new NullifierStoreError(`there is something in the directory ${quote(this.#path)}, and it is no record of claims: choose another, or an empty one`)
      }
      await makeFile(join(this.#path, MARK)).catch(unlessThere)
      await syncDirectory(this.#path)
    }
  }

  async #scopes (): Promise<{ scopes: readonly string[], horizon: number }> {
    const names = await namesOf(this.#path)
    const strange = names.find(name => name !== MARK && !NUMBER.test(name) && !FORGOTTEN.test(name))

    if (strange != null || !names.includes(MARK)) {
      // a claim may have had that name
      throw new NullifierStoreError(`the record of claims ${quote(this.#path)} is damaged: ${strange == null ? `${MARK} is missing in it` : `${quote(strange, 80)} does not belong there`}; restore it, or take what does not belong there away`)
    }
    return { scopes: names.filter(name => NUMBER.test(name)), horizon: Math.max(0, ...numbersOf(names, FORGOTTEN)) }
  }

  async #bounded<T> (run: () => Promise<T>): Promise<T> {
    using timeout = this.#clock.timeout(this.#timeout)

    try {
      return await raceSignal(run(), timeout.signal)
    } catch (err) {
      if (err instanceof NullifierStoreError) {
        throw err
      }
      throw new NullifierStoreError(`the record of claims ${quote(this.#path)} cannot be used: ${(err as NodeJS.ErrnoException).code === 'ENOENT' ? 'the directory that it should be in does not exist' : fileProblem(err)}`, { cause: err })
    }
  }
}

/** What is there was made by another process, or before */
function unlessThere (err: NodeJS.ErrnoException): void {
  if (err.code !== 'EEXIST') {
    throw err
  }
}

/** Names that systems and people hide say nothing */
async function namesOf (path: string): Promise<string[]> {
  const names: string[] = []

  for await (const { name } of await opendir(path)) {
    if (!name.startsWith('.')) {
      names.push(name)
    }
    if (names.length > MAX_NAMES) {
      throw new NullifierStoreError(`there are more than ${MAX_NAMES} names in ${quote(path)}: this is no record of claims`)
    }
  }
  return names
}

function numbersOf (names: readonly string[], pattern: RegExp): number[] {
  return names.flatMap(name => {
    const [, number] = pattern.exec(name) ?? []
    return number == null ? [] : [Number(number)]
  })
}

async function makeFile (path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory (path: string): Promise<void> {
  // Windows cannot open a directory to sync it
  if (process.platform === 'win32') {
    return
  }
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
