import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import type { AddressPolicy } from '../../../src/provider/address.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { BlockFetcher } from '../../../src/interface/fetcher.ts'
import type { Attempt, Request, Want } from '../../../src/interface/request.ts'
import type { Provider, Route } from '../../../src/interface/provider.ts'

export const block = new TextEncoder().encode('a block of a few bytes')

export async function want (bytes: Uint8Array = block, maxBytes: number = 2_097_152): Promise<Want> {
  const cid = CID.createV1(raw.code, await sha256.digest(bytes))
  return { cid, key: cid.toString(), maxBytes }
}

/** Refuses nothing: for tests that are about something else */
export const anywhere: AddressPolicy = {
  check: () => {},
  allows: () => true,
  checkResolved: () => {},
  exempt: () => true,
  with: () => anywhere
}

export function provider (url: string, id?: Provider['id']): Provider {
  const { protocol, host } = new URL(url)
  return {
    id: id ?? `${protocol === 'https:' ? 'https' : 'http'}:${host}`,
    addresses: [url],
    protocols: [],
    source: 'hint',
    fallback: false,
    domains: []
  }
}

export function routeTo (url: string): Route {
  return { provider: provider(url).id, transport: 'http', address: new URL(url).origin }
}

export interface Recorded extends Attempt {
  /** Phases and byte counts in the order they were reported */
  readonly events: Array<string | number>
  /** What says something of the block */
  readonly entries: DisclosureEntry[]
  /** What only says that somebody is there: of connections and of names */
  readonly others: DisclosureEntry[]
  /** State of every disclosure of the block, in order */
  readonly states: string[]
  /** Resolves with the first disclosure: the request is then in the transport's hands */
  readonly disclosed: Promise<void>
  abort (reason?: Error): void
}

/** An attempt that remembers what it was told */
export function attempt (): Recorded {
  const controller = new AbortController()
  const entries: DisclosureEntry[] = []
  const others: DisclosureEntry[] = []
  const events: Array<string | number> = []
  const disclosed = Promise.withResolvers<void>()
  const request: Request = {
    id: 'r1',
    purpose: 'read',
    mode: 'open',
    signal: controller.signal,
    deadline: Infinity,
    priority: 0,
    hints: [],
    disclose: init => {
      disclosed.resolve()
      return new Disclosure({ intended: entry => { (entry.form === 'cid' ? entries : others).push(entry) }, settled: () => {} }, init, { request: 'r1', purpose: 'read', at: 0 })
    }
  }

  return {
    request,
    signal: controller.signal,
    events,
    entries,
    others,
    get states () {
      return entries.map(entry => entry.state)
    },
    disclosed: disclosed.promise,
    abort: reason => { controller.abort(reason) },
    phase: phase => { events.push(phase) },
    bytes: n => { events.push(n) },
    verify: async () => {}
  }
}

/** What the fetcher threw, or a failure of the test when it delivered */
export async function failureOf (fetcher: BlockFetcher, url: string, recorded: Recorded = attempt(), maxBytes?: number): Promise<FetchError> {
  try {
    await fetcher.fetch(await want(block, maxBytes), routeTo(url), recorded)
  } catch (error) {
    return error as FetchError
  }
  throw new Error('delivered a block')
}
