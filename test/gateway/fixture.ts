import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { MemoryBlockstore } from 'blockstore-core'
import { toString } from 'uint8arrays/to-string'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { NotFoundError, OfflineError } from '../../src/interface/errors.ts'
import type { GatewayInit } from '../../src/gateway/gateway.ts'
import type { Logger } from '../../src/interface/logger.ts'
import type { ContentRouting, RetrieveOptions } from '../../src/interface/routing.ts'
import type { ContentRoutingStats } from '../../src/interface/stats.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { CID } from 'multiformats/cid'

const log = Object.assign(() => {}, { error () {}, trace () {} }) as Logger
export const quietLogger = { forComponent: () => log }

/** A content routing whose network is a second store; reads can be held back, counted and failed */
export class StoreRouting implements ContentRouting {
  readonly store = new MemoryBlockstore()
  /** Every CID that was asked for */
  readonly asked: string[] = []
  readonly options: RetrieveOptions[] = []
  /** Sessions that are open */
  open = 0
  /** Retrievals that were aborted while they waited */
  aborted = 0
  /** Thrown instead of answering */
  failure?: Error
  /** Waited for before a CID is answered; an aborted signal ends the wait */
  hold?: (cid: CID) => Promise<void> | undefined

  async retrieve (cid: CID, options: RetrieveOptions = {}): Promise<Uint8Array> {
    this.asked.push(cid.toString())
    this.options.push(options)
    options.signal?.throwIfAborted()
    await this.#held(cid, options.signal)

    if (this.failure != null) {
      throw this.failure
    }
    if (!this.store.has(cid)) {
      if (options.offline === true) {
        throw new OfflineError(`${cid} is not in the store`)
      }
      throw new NotFoundError([], `Nobody has ${cid}`, { toString: () => 'asked https://one.example: not here', toJSON: () => ({}) })
    }
    const { value } = await this.store.get(cid).next()
    return value as Uint8Array
  }

  async #held (cid: CID, signal?: AbortSignal): Promise<void> {
    const held = this.hold?.(cid)
    if (held == null) {
      return
    }
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => {
        this.aborted++
        reject(signal.reason as Error)
      }, { once: true })
      held.then(resolve, reject)
    })
  }

  async * retrieveContent (): AsyncGenerator<Uint8Array, void, undefined> {
    yield new Uint8Array()
  }

  createSession (root: CID): ReturnType<ContentRouting['createSession']> {
    this.open++
    let closed = false
    return {
      root,
      retrieve: (cid, options) => this.retrieve(cid, options),
      addProvider () {},
      seen () {},
      close: () => {
        this.open -= closed ? 0 : 1
        closed = true
      }
    }
  }

  async announce (): Promise<void> {}

  async cancel (): Promise<void> {}
  explain (): undefined {}
  // nothing here reads it
  stats (): ContentRoutingStats { return {} as ContentRoutingStats }
}

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly routing: StoreRouting
  readonly metrics: MetricRegistry
  readonly url: string
  readonly port: number
}

export async function startGateway (init: GatewayInit = {}): Promise<TestGateway> {
  const routing = new StoreRouting()
  const metrics = new MetricRegistry()
  const gateway = new Gateway({
    contentRouting: routing, files: unixfsFiles, parseCID, clock: systemClock, logger: quietLogger, metrics, store: routing.store
  }, { port: 0, ...init })
  const { url, port } = await gateway.start()

  return { gateway, routing, metrics, url, port, [Symbol.asyncDispose]: () => gateway.stop() }
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Uint8Array
  text: string
}

/** A request that is sent as written: no normalising of paths, no default headers */
export async function ask (base: string, path: string, options: { method?: string, headers?: Record<string, string> } = {}): Promise<Answer> {
  const { hostname, port } = new URL(base)

  return await new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path, agent: false, ...options }, response => {
      const chunks: Uint8Array[] = []
      response.on('data', chunk => { chunks.push(chunk as Uint8Array) })
      response.on('error', reject)
      response.on('end', () => {
        const body = new Uint8Array(Buffer.concat(chunks))
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, text: toString(body) })
      })
    }).on('error', reject).end()
  })
}

/** Sends raw bytes and collects everything until the server closes */
export async function rawExchange (port: number, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => { socket.write(text) })
    socket.on('data', chunk => { answer += chunk.toString('latin1') })
    socket.on('close', () => { resolve(answer) })
    socket.on('error', reject)
  })
}
