import { gatewayHostCheck } from './host-check.ts'
import { HttpError } from './http-error.ts'
import { IpfsHandler } from './ipfs-handler.ts'
import { sendText } from './respond.ts'
import { HttpServer } from './server.ts'
import { welcomeSite } from './welcome/site.ts'
import type { GatewayComponents } from './components.ts'
import type { Exchange } from './server.ts'
import type { WelcomeSite } from './welcome/site.ts'

export interface GatewayInit {
  /** @default '127.0.0.1' */
  host?: string
  /** 0 takes a free one. @default 8480 */
  port?: number
  /** Requests answered at once. @default 2048 */
  maxRequests?: number
  /** Of these, for one client address. @default 1024 */
  maxClientRequests?: number
  /** Host names beside loopback ones that requests to a gateway on loopback may carry. @default none */
  allowedHosts?: readonly string[]
  /** Bytes. @default 8192 */
  maxUrlLength?: number
  /** Milliseconds a client may take to send a request. @default 15_000 */
  requestTimeout?: number
  /** Milliseconds a client may take no bytes of an answer. @default 120_000 */
  stallTimeout?: number
  /** @default 10_000 */
  maxDirectoryEntries?: number
  /** Bytes to load ahead of readers, shared among the answers under way when one begins. @default 268_435_456 */
  readAhead?: number
}

export interface GatewayAddress {
  readonly host: string
  readonly port: number
  readonly url: string
}

/** @see gateway.port in the configuration */
export const DEFAULT_GATEWAY_PORT = 8480
/** @see gateway.stallTimeout in the configuration */
export const DEFAULT_STALL_TIMEOUT = 120_000
/** @see gateway.maxDirectoryEntries in the configuration */
export const DEFAULT_MAX_DIRECTORY_ENTRIES = 10_000

/** @see gateway.readAhead in the configuration */
export const DEFAULT_READ_AHEAD = 268_435_456

/**
 * Serves the content of a node over HTTP: files and directories below
 * `/ipfs/CID`, blocks with `?format=raw`, a welcome site at `/`.
 *
 * @example
 * ```ts
 * const gateway = new Gateway(components, { port: 0 })
 * const { url } = await gateway.start()
 * ```
 */
export class Gateway {
  readonly #components: GatewayComponents
  readonly #server: HttpServer
  readonly #ipfs: IpfsHandler
  readonly #isOwnHost: (header: string | undefined) => boolean
  #welcome?: WelcomeSite
  #address?: GatewayAddress

  constructor (components: GatewayComponents, init: GatewayInit = {}) {
    const requests = components.metrics?.registerCounterGroup('portolan_gateway_requests_total', { label: 'status', help: 'Requests answered, by status; 499: the client left first' })
    const seconds = components.metrics?.registerHistogram?.('portolan_gateway_request_seconds', { help: 'Time from a request to the end of its answer' })
    const bytes = components.metrics?.registerCounter('portolan_gateway_bytes_total', { help: 'Bytes of content sent' })

    const host = init.host ?? '127.0.0.1'

    this.#components = components
    this.#isOwnHost = gatewayHostCheck(host, init.allowedHosts)
    this.#ipfs = new IpfsHandler(components, {
      stallTimeout: init.stallTimeout ?? DEFAULT_STALL_TIMEOUT,
      maxDirectoryEntries: init.maxDirectoryEntries ?? DEFAULT_MAX_DIRECTORY_ENTRIES,
      readAhead: init.readAhead ?? DEFAULT_READ_AHEAD,
      active: () => this.#server.active,
      onBytes: count => { bytes?.increment(count) }
    })
    this.#server = new HttpServer({
      name: 'gateway',
      host,
      port: init.port ?? DEFAULT_GATEWAY_PORT,
      portFlag: '--port',
      maxRequests: init.maxRequests,
      maxClientRequests: init.maxClientRequests,
      maxUrlLength: init.maxUrlLength,
      requestTimeout: init.requestTimeout,
      clock: components.clock,
      log: components.logger.forComponent('portolan:gateway'),
      handler: exchange => this.#handle(exchange),
      onDone: (status, milliseconds) => {
        requests?.increment({ [status]: true })
        seconds?.observe(milliseconds / 1000)
      }
    })
  }

  /** Where it listens, while it does */
  get address (): GatewayAddress | undefined {
    return this.#address
  }

  /** Requests being answered */
  get active (): number {
    return this.#server.active
  }

  /** The welcome site, once started */
  get welcome (): WelcomeSite | undefined {
    return this.#welcome
  }

  async start (): Promise<GatewayAddress> {
    if (this.#address != null) {
      return this.#address
    }
    const site = this.#welcome ?? await welcomeSite()
    await this.#put(site)
    this.#welcome = site
    this.#address = await this.#server.start()
    return this.#address
  }

  /** Puts the welcome site back, after all that was put into the store was dropped */
  async restoreWelcome (): Promise<void> {
    if (this.#welcome != null) {
      await this.#put(this.#welcome)
    }
  }

  async stop (): Promise<void> {
    this.#address = undefined
    await this.#server.stop()
  }

  async #put (site: WelcomeSite): Promise<void> {
    for (const { cid, bytes } of site.blocks) {
      await this.#components.store.put(cid, bytes)
    }
  }

  async #handle (exchange: Exchange): Promise<void> {
    const { path, response, request } = exchange

    if (!this.#isOwnHost(request.headers.host)) {
      throw new HttpError(403, 'The Host header names another machine. Here are localhost, names below .localhost and loopback addresses; the option gateway.allowedHosts adds the names of a proxy.')
    }
    if (path === '/live') {
      sendText(response, 200, 'live\n')
    } else if (path === '/' && this.#welcome != null) {
      // the page may be another one after an upgrade: it is checked for each time
      await this.#ipfs.handle(exchange, `/ipfs/${this.#welcome.root}/`, { 'cache-control': 'no-cache' })
    } else if (path === '/ipfs' || path.startsWith('/ipfs/')) {
      await this.#ipfs.handle(exchange)
    } else {
      throw new HttpError(404, 'There is nothing here. Content is at /ipfs/CID or /ipfs/CID/path, a welcome at /.')
    }
  }
}
