import { blockKey } from '../../../src/block/key.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Attempt, Want } from '../../../src/interface/request.ts'
import type { Route } from '../../../src/interface/provider.ts'

export interface Sample {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** Blocks that differ, of any size from 4 bytes */
export async function sample (number: number, size = 100): Promise<Sample> {
  const bytes = new Uint8Array(size).fill(number)
  new DataView(bytes.buffer).setUint32(0, number)
  return { bytes, cid: CID.createV1(raw.code, await sha256.digest(bytes)) }
}

export function wantOf ({ cid }: Pick<Sample, 'cid'>, maxBytes = 2_097_152): Want {
  return { cid, key: blockKey(cid), maxBytes }
}

export function routeTo (peer: string): Route {
  return { provider: `p2p:${peer}`, transport: 'bitswap' }
}

export interface Recorded extends Attempt {
  readonly events: string[]
  readonly entries: DisclosureEntry[]
  /** Bytes reported */
  readonly arrived: number
  abort (): void
}

/** An attempt that remembers what it was told */
export function attempt (priority = 0): Recorded {
  const controller = new AbortController()
  const entries: DisclosureEntry[] = []
  const events: string[] = []
  let arrived = 0

  return {
    request: {
      id: 'r1',
      purpose: 'read',
      mode: 'open',
      signal: controller.signal,
      deadline: Infinity,
      priority,
      hints: [],
      disclose: init => new Disclosure({ intended: entry => { entries.push(entry) }, settled: () => {} }, init, { request: 'r1', purpose: 'read', at: 0 })
    },
    signal: controller.signal,
    events,
    entries,
    get arrived () { return arrived },
    abort: () => { controller.abort(new Error('the test lost interest')) },
    phase: phase => { events.push(phase) },
    bytes: n => {
      if (arrived === 0) {
        events.push('bytes')
      }
      arrived += n
    },
    verify: async () => {}
  }
}

/** What came of a fetch that should fail */
export async function failure (fetching: Promise<unknown>): Promise<FetchError> {
  return fetching.then(() => { throw new Error('it was delivered') }, (error: unknown) => error as FetchError)
}
