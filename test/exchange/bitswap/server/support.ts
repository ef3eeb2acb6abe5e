import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { blockKey } from '../../../../src/block/key.ts'
import { Disclosure } from '../../../../src/interface/disclosure.ts'
import type { BitswapMessage, WantEntry } from '../../../../src/exchange/bitswap/message.ts'
import type { LocalStore } from '../../../../src/interface/cache.ts'
import type { DisclosureEntry } from '../../../../src/interface/disclosure.ts'

/** A CID for a number: the server never hashes, so any digest will do */
export function cidOf (n: number, codec = 0x55): CID {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, n)
  return CID.createV1(codec, Digest.create(0x12, digest))
}

export function numberOf (cid: CID): number {
  const { digest } = cid.multihash
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

export function want (n: number, rest: Partial<WantEntry> = {}): WantEntry {
  const cid = rest.cid ?? cidOf(n)
  return { cid, key: blockKey(cid), type: 'block', priority: 1, cancel: false, sendDontHave: false, ...rest }
}

export function message (wants: readonly WantEntry[], full = false): BitswapMessage {
  return { full, wants, blocks: [], presences: [], pendingBytes: 0 }
}

export function numbers (count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i)
}

/** What an async or sync store holds, by number */
export class NumberedStore implements LocalStore {
  readonly blocks = new Map<number, Uint8Array>()
  readonly reads: number[] = []
  lookups = 0
  readonly #delay: (() => Promise<void>) | undefined

  constructor (delay?: () => Promise<void>) {
    this.#delay = delay
  }

  fill (from: number, count: number, size: number): this {
    // one piece of memory for all: what counts is how often it is handed out
    const bytes = new Uint8Array(size)

    for (const n of numbers(count, from)) {
      this.blocks.set(n, bytes)
    }

    return this
  }

  has (cid: CID): boolean | Promise<boolean> {
    this.lookups++
    const here = this.blocks.has(numberOf(cid))
    return this.#delay == null ? here : this.#delay().then(() => here)
  }

  get (cid: CID): Generator<Uint8Array> | AsyncGenerator<Uint8Array> {
    return this.#delay == null ? this.#now(cid) : this.#later(cid, this.#delay)
  }

  put (cid: CID): CID {
    return cid
  }

  * #now (cid: CID): Generator<Uint8Array> {
    this.reads.push(numberOf(cid))
    yield this.#block(cid)
  }

  async * #later (cid: CID, delay: () => Promise<void>): AsyncGenerator<Uint8Array> {
    this.reads.push(numberOf(cid))
    await delay()
    yield this.#block(cid)
  }

  #block (cid: CID): Uint8Array {
    const bytes = this.blocks.get(numberOf(cid))

    if (bytes == null) {
      throw Object.assign(new Error('not here'), { name: 'NotFoundError' })
    }

    return bytes
  }
}

/** Keeps what was disclosed to whom */
export class Disclosures {
  readonly entries: DisclosureEntry[] = []
  readonly disclose = (peer: string, cid: CID): Disclosure => {
    return new Disclosure({
      intended: entry => { this.entries.push(entry) },
      settled: () => {}
    }, { observer: `p2p:${peer}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'serve', purpose: 'serve', key: blockKey(cid), at: 0 })
  }

  count (state?: DisclosureEntry['state']): number {
    return this.entries.filter(entry => state == null || entry.state === state).length
  }
}
