import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { adoptedBrokerFetcher } from '../../src/exchange/broker/broker-egress.ts'
import { raceBrokers } from '../../src/exchange/broker/race-egress.ts'
import { withContentRouting } from '../../src/helia/with-content-routing.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { NotFoundError } from '../../src/interface/errors.ts'
import { nullLedger } from '../../src/privacy/null-ledger.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { RunnableContentRouting } from '../../src/helia/lifecycle.ts'
import type { ContentRoutingParts, WithContentRoutingInit } from '../../src/helia/with-content-routing.ts'
import type { Story } from '../../src/interface/errors.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'
import type { RetrievalSession, RetrieveOptions } from '../../src/interface/routing.ts'
import type { ContentRoutingStats } from '../../src/interface/stats.ts'
import type { BlockBroker, BlockRetrievalOptions, Helia } from '@helia/interface'

export async function block (text: string): Promise<{ cid: CID, bytes: Uint8Array }> {
  const bytes = new TextEncoder().encode(text)
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

/** A promise and its resolver: the moment that a test decides on */
export function gate (): { opened: Promise<void>, open (): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

/** Content routing as the mixin sees it, over a map instead of a network, noting what it is asked */
export class OwnRouting implements RunnableContentRouting {
  readonly blocks = new Map<string, Uint8Array>()
  readonly asked: Array<{ cid: string, options: RetrieveOptions, session?: string }> = []
  readonly available_: string[] = []
  readonly sessions: Array<{ root: string, options: RetrieveOptions, hints: string[], seen: string[], closed: boolean }> = []
  starts = 0
  stops = 0
  running = false
  #onAsk = (): void => {}
  /** Resolves at the next retrieval */
  async nextAsk (): Promise<void> {
    await new Promise<void>(resolve => { this.#onAsk = resolve })
  }

  /** Awaited by every retrieval */
  held: Promise<void> = Promise.resolve()
  startHeld: Promise<void> = Promise.resolve()

  add (...blocks: Array<{ cid: CID, bytes: Uint8Array }>): this {
    blocks.forEach(({ cid, bytes }) => this.blocks.set(cid.toString(), bytes))
    return this
  }

  async start (): Promise<void> {
    await this.startHeld
    this.starts++
    this.running = true
  }

  async stop (): Promise<void> {
    this.stops++
    this.running = false
  }

  available (cid: CID): void {
    this.available_.push(cid.toString())
  }

  async retrieve (cid: CID, options: RetrieveOptions = {}, session?: string): Promise<Uint8Array> {
    this.asked.push({ cid: cid.toString(), options, session })
    this.#onAsk()
    await this.held
    options.signal?.throwIfAborted()
    const bytes = this.blocks.get(cid.toString())
    if (bytes == null) {
      throw new NotFoundError([], `nobody has ${cid}`)
    }
    return bytes
  }

  async * retrieveContent (target: CID | string): AsyncGenerator<Uint8Array, void, undefined> {
    yield await this.retrieve(target as CID)
  }

  createSession (root: CID, options: RetrieveOptions = {}): RetrievalSession {
    const record = { root: root.toString(), options, hints: (options.providers ?? []).map(String), seen: [] as string[], closed: false }
    this.sessions.push(record)
    return {
      root,
      retrieve: async (cid, options) => this.retrieve(cid, options, record.root),
      addProvider: hint => { record.hints.push(String(hint)) },
      seen: cid => { record.seen.push(cid.toString()) },
      close: () => { record.closed = true }
    }
  }

  async announce (): Promise<void> {}

  async cancel (): Promise<void> {}

  explain (): Story | undefined {
    return undefined
  }

  stats (): ContentRoutingStats {
    return { own: true } as unknown as ContentRoutingStats
  }
}

/** A broker that has blocks, counts what it is asked and can be told to wait */
export class MapBroker implements BlockBroker {
  readonly name: string
  readonly blocks = new Map<string, Uint8Array>()
  readonly asked: string[] = []
  readonly announced: string[] = []
  readonly options: BlockRetrievalOptions[] = []
  held: Promise<void> = Promise.resolve()
  announcing: () => Promise<void> = async () => {}
  sessions = 0

  constructor (name: string, ...blocks: Array<{ cid: CID, bytes: Uint8Array }>) {
    this.name = name
    blocks.forEach(({ cid, bytes }) => this.blocks.set(cid.toString(), bytes))
  }

  async retrieve (cid: CID, options: BlockRetrievalOptions = {}): Promise<Uint8Array> {
    this.asked.push(cid.toString())
    this.options.push(options)
    await this.held
    const bytes = this.blocks.get(cid.toString())
    if (bytes == null) {
      throw new Error(`${this.name} did not have ${cid}`)
    }
    await options.validateFn?.(bytes)
    return bytes
  }

  async announce (cid: CID): Promise<void> {
    this.announced.push(cid.toString())
    await this.announcing()
  }

  createSession (): ReturnType<NonNullable<BlockBroker['createSession']>> {
    this.sessions++
    return {
      name: `${this.name}-session`,
      retrieve: async (cid, options) => this.retrieve(cid, options),
      announce: async cid => this.announce(cid),
      addPeer: async () => {}
    }
  }
}

export function ownParts (routing: OwnRouting, helia: Helia): ContentRoutingParts & { fetchers: BlockFetcher[] } {
  const disclose = (cid: CID, name: string): Disclosure => new Disclosure(nullLedger, {
    observer: `broker:${name}`, form: 'cid', transport: 'foreign', audience: 'unbounded'
  }, { request: 'test', purpose: 'read', key: cid.toString(), at: 0 })

  return {
    routing,
    fetchers: [],
    adopt: (broker, name) => adoptedBrokerFetcher(broker, { logger: helia.logger, discloseAnnounce: cid => disclose(cid, name) }, { name }),
    race: async (cid, brokers, options) => raceBrokers(cid, brokers, options, broker => disclose(cid, broker.name)),
    parseHint: hint => {
      if (String(hint).includes('bogus')) {
        throw new Error(`no such provider: ${String(hint)}`)
      }
      return { id: `p2p:${String(hint)}`, addresses: [], protocols: [], source: 'hint', fallback: false, domains: [] }
    }
  }
}

export function wrap<H extends Helia> (helia: H, routing: OwnRouting, init: WithContentRoutingInit = {}): H & { contentRouting: HeliaContentRouting } {
  return withContentRouting(helia, init, ownParts(routing, helia))
}

export async function read (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) {
    text += new TextDecoder().decode(chunk)
  }
  return text
}

/** The list that Helia keeps private */
export function brokersOf (helia: Helia): BlockBroker[] {
  return (helia as unknown as { blockBrokers: BlockBroker[] }).blockBrokers
}
