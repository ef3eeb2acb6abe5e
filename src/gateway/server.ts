import { createServer } from 'node:http'
import { clientKey } from '../interface/client-key.ts'
import { Connections } from './connections.ts'
import { HttpError, toHttpError } from './http-error.ts'
import { RequestSlots, refusalError } from './request-slots.ts'
import { hasBody, sendError } from './respond.ts'
import { rejectClient, toListenError } from './server-error.ts'
import type { Refusal } from './request-slots.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

export type { IncomingMessage, OutgoingHttpHeaders, ServerResponse }

export type Method = 'GET' | 'HEAD' | 'POST'

/** One request being answered */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: Method
  /** As sent: percent-encoded, without the query */
  readonly path: string
  /** As sent, with its question mark; empty when there is none */
  readonly search: string
  readonly query: URLSearchParams
  /** Aborts when the client left or the server stops */
  readonly signal: AbortSignal
  /** The client's address, of IPv6 its /64: the key of fair queues */
  readonly client: string
  /** The client has shown who it is: its connection is not closed to make room for others */
  trust (): void
}

export interface HttpServerInit {
  /** What errors and logs call it */
  name: string
  host: string
  port: number
  /** The flag that changes the port, for the error that says it is taken */
  portFlag: string
  handler: (exchange: Exchange) => Promise<void>
  clock: Clock
  log: Logger
  /** @default GET and HEAD */
  methods?: readonly Method[]
  maxRequests?: number
  /** Of one client */
  maxClientRequests?: number
  maxUrlLength?: number
  requestTimeout?: number
  drainTimeout?: number
  /** Called once per request, with the status that was sent and the time it took */
  onDone?: (status: number, milliseconds: number) => void
}

const DEFAULT_METHODS: readonly Method[] = ['GET', 'HEAD']
/** @see gateway.maxRequests in the configuration */
export const DEFAULT_MAX_REQUESTS = 2048
/** @see gateway.maxClientRequests in the configuration */
export const DEFAULT_MAX_CLIENT_REQUESTS = 1024
/** Requests under way on one connection: browsers send one at a time, the keenest tools ten */
const MAX_CONNECTION_REQUESTS = 16
/** Whoever is told to wait and sends as many again is not waiting */
const MAX_CONNECTION_BACKLOG = 2 * MAX_CONNECTION_REQUESTS
/** @see gateway.maxUrlLength in the configuration */
export const DEFAULT_MAX_URL_LENGTH = 8192
/** @see gateway.requestTimeout in the configuration */
export const DEFAULT_REQUEST_TIMEOUT = 15_000
/** Answers under way get this long at stop: Ctrl-C promises an end within 5 s, and the stores need some of it */
export const DEFAULT_DRAIN_TIMEOUT = 1500
/** From telling the handlers to end until the connections are cut: enough to send the 503 */
const LAST_WORDS = 250
/** Idle connections cost a descriptor each; twice the requests leaves room for keep-alive */
const CONNECTIONS_PER_REQUEST = 2
/** Idle keep-alive connections are closed after this: longer than the pause between two clicks of one page */
const KEEP_ALIVE_TIMEOUT = 10_000
/** How often connections that take too long are looked for, as a part of the time they have */
const CHECKS_PER_TIMEOUT = 4
/** Node counts the request line into it; the rest is for cookies and headers that proxies add */
const MAX_HEADER_SIZE = 32_768

/**
 * An HTTP server that can be started and stopped, knows its limits, turns
 * errors into answers and never says anything twice. What it serves is the
 * handler's business.
 */
export class HttpServer {
  readonly #init: HttpServerInit
  readonly #open = new Set<AbortController>()
  readonly #slots: RequestSlots
  readonly #connections: Connections<Duplex>
  #server?: Server
  #closing?: Server

  constructor (init: HttpServerInit) {
    const { maxRequests: max = DEFAULT_MAX_REQUESTS, maxClientRequests: maxPerClient = DEFAULT_MAX_CLIENT_REQUESTS } = init
    this.#init = init
    this.#slots = new RequestSlots({ max, maxPerClient })
    this.#connections = new Connections({ max: max * CONNECTIONS_PER_REQUEST, maxPerClient: maxPerClient * CONNECTIONS_PER_REQUEST })
  }

  /** Requests being answered */
  get active (): number {
    return this.#slots.size
  }

  async start (): Promise<{ host: string, port: number, url: string }> {
    const { host, port, name, portFlag, requestTimeout = DEFAULT_REQUEST_TIMEOUT } = this.#init
    const server = createServer({
      maxHeaderSize: MAX_HEADER_SIZE,
      headersTimeout: requestTimeout,
      requestTimeout,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      connectionsCheckingInterval: Math.ceil(requestTimeout / CHECKS_PER_TIMEOUT)
    }, (request, response) => { void this.#serve(request, response) })

    server.on('connection', socket => {
      socket.once('close', () => { this.#connections.delete(socket) })
      const leaver = this.#connections.add(socket, clientKey(socket.remoteAddress))
      if (leaver != null) {
        this.#init.log('%s: too many connections, one without a request under way is closed', name)
        leaver.destroy()
      }
    })
    server.on('clientError', (err: NodeJS.ErrnoException, socket) => {
      this.#init.log('client error %s', err.code ?? err.message)
      rejectClient(err, socket, this.#connections.isAnswering(socket))
    })

    await new Promise<void>((resolve, reject) => {
      server.once('error', err => { reject(toListenError(err, name, host, port, portFlag)) })
      server.listen(port, host, resolve)
    })
    server.removeAllListeners('error')
    server.on('error', err => { this.#init.log.error('%s server: %s', name, err.message) })
    this.#server = server

    const address = server.address() as AddressInfo
    const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return { host: address.address, port: address.port, url: `http://${shown}:${address.port}` }
  }

  /** Takes no more requests, lets running answers end for a moment, then cuts them off */
  async stop (): Promise<void> {
    const server = this.#server
    if (server == null) {
      return
    }
    this.#server = undefined
    this.#closing = server
    const closed = new Promise<void>(resolve => { server.close(() => { resolve() }) })
    server.closeIdleConnections()

    const { clock, drainTimeout = DEFAULT_DRAIN_TIMEOUT } = this.#init
    const cancelDrain = clock.schedule(drainTimeout, () => {
      for (const controller of this.#open) {
        controller.abort(new HttpError(503, 'The node is stopping.'))
      }
    })
    const cancelCut = clock.schedule(drainTimeout + LAST_WORDS, () => { server.closeAllConnections() })
    try {
      await closed
    } finally {
      cancelDrain()
      cancelCut()
      this.#closing = undefined
    }
  }

  async #serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, log } = this.#init
    const { socket } = request
    const client = clientKey(socket.remoteAddress)
    const controller = new AbortController()
    const began = clock.now()
    const pipelined = this.#connections.begin(socket)

    if (pipelined > MAX_CONNECTION_BACKLOG) {
      socket.destroy()
    }
    const refusal = this.#refusal(client, pipelined)
    if (refusal == null) {
      this.#open.add(controller)
    }
    response.once('close', () => {
      if (this.#open.delete(controller)) {
        this.#slots.release(client)
      }
      this.#connections.end(socket)
      this.#init.onDone?.(response.headersSent ? response.statusCode : 499, clock.now() - began)
      controller.abort(new DOMException('The client went away', 'AbortError'))
      this.#closing?.closeIdleConnections()
    })
    // a reset while writing is reported by 'close' as well
    response.on('error', err => { log.trace('response: %s', err.message) })
    // a body that nobody reads would be taken for the next request, or be read without an end
    response.shouldKeepAlive &&= !hasBody(request)

    try {
      if (refusal != null) {
        throw refusalError(refusal)
      }
      await this.#init.handler(this.#exchange(request, response, { client, signal: controller.signal }))
    } catch (err) {
      this.#fail(request, response, err)
    }
  }

  #refusal (client: string, pipelined: number): Refusal | undefined {
    return this.#closing != null
      ? 'stopping'
      : pipelined > MAX_CONNECTION_REQUESTS ? 'connection' : this.#slots.take(client)
  }

  #exchange (request: IncomingMessage, response: ServerResponse, { client, signal }: { client: string, signal: AbortSignal }): Exchange {
    const target = request.url ?? '/'
    const max = this.#init.maxUrlLength ?? DEFAULT_MAX_URL_LENGTH

    if (target.length > max) {
      throw new HttpError(414, `The request target is ${target.length} bytes long, the limit is ${max}.`)
    }
    const { methods = DEFAULT_METHODS } = this.#init
    const method = methods.find(method => method === request.method)
    if (method == null) {
      throw new HttpError(405, `${request.method} is not possible here, ${methods.slice(0, -1).join(', ')} and ${methods.at(-1)} are.`, { headers: { allow: methods.join(', ') } })
    }
    // a proxy sends `http://host/path`: the host is nothing we go by
    const local = target.replace(/^https?:\/\/[^/?#]*/i, '')
    const mark = local.indexOf('?')
    const path = mark < 0 ? local : local.slice(0, mark)
    const search = mark < 0 ? '' : local.slice(mark)

    if (path !== '' && !path.startsWith('/')) {
      throw new HttpError(400, 'The request target must be a path.')
    }
    return {
      request,
      response,
      method,
      path: path === '' ? '/' : path,
      search,
      query: new URLSearchParams(search),
      signal,
      client,
      trust: () => { this.#connections.trust(request.socket) }
    }
  }

  #fail (request: IncomingMessage, response: ServerResponse, err: unknown): void {
    const { log, name } = this.#init

    if (response.destroyed || response.closed) {
      log.trace('%s: client went away from %s', name, request.url)
      return
    }
    if (response.headersSent) {
      // the status is out: only a broken connection can still say that this is not the whole
      log('%s: %s broke off: %s', name, request.url, (err as Error).message)
      response.destroy()
      return
    }
    const error = toHttpError(err)
    if (error.status === 500) {
      log.error('%s: %s failed: %e', name, request.url, error.cause ?? error)
    }
    sendError(request, response, error)
  }
}
