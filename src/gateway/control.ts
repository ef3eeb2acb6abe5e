import { ANNOUNCE_PATH, answerAnnounce } from './announce-control.ts'
import { CACHE_PATH, answerCache } from './cache-control.ts'
import { bearerToken, isNonce, newToken, sameToken, tokenProof } from './control-token.ts'
import { isOwnHost, ownNames } from './host-check.ts'
import { HttpError, toHttpError } from './http-error.ts'
import { parseIpfsPath } from './ipfs-path.ts'
import { PRIVACY_REPORT_PATH, answerPrivacyReport } from './privacy-control.ts'
import { registerProcessMetrics } from './process-metrics.ts'
import { sendBody, sendJson, sendText } from './respond.ts'
import { HttpServer } from './server.ts'
import type { FileNode, GatewayComponents } from './components.ts'
import type { AnnounceTools } from './announce-control.ts'
import type { CacheTools } from './cache-control.ts'
import type { MetricRegistry } from './metric-registry.ts'
import type { PrivacyReports } from './privacy-control.ts'
import type { Exchange } from './server.ts'
import type { RetrievalFailedError, Story } from '../interface/errors.ts'
import type { BlockLoader, DirectoryEntry } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

export interface ControlComponents extends Omit<GatewayComponents, 'store' | 'metrics'> {
  metrics: MetricRegistry
  /** What `/api/cache/` is about. @default the node keeps its blocks in memory, and there is none */
  cache?: CacheTools
  /** What `/api/announce` is about. @default the node announces nothing */
  announce?: Pick<AnnounceTools, 'has' | 'stats'>
  /** Who learnt of a block, given the story of its last read: `/api/explain?privacy=1`. @default nobody writes it down */
  privacy?: (cid: CID, story: unknown) => object
  /** What `/api/privacy/report` gives, to those who have tokens of its own too. @default there are no reports */
  privacyReports?: PrivacyReports
  /** What `/api/stats` answers */
  stats: () => object
  /** Whether the node can serve: `/ready` */
  ready: () => boolean
}

export interface ControlInit {
  /** @default '127.0.0.1' */
  host?: string
  /** 0 takes a free one. @default 8481 */
  port?: number
  /** Host names beside loopback and `host` that requests may carry */
  allowedHosts?: readonly string[]
  /** @default a new one */
  token?: string
  stallTimeout?: number
  requestTimeout?: number
}

/** @see control.port in the configuration */
export const DEFAULT_CONTROL_PORT = 8481
/** One operator with a few tools; a scraper that hangs does not starve the command line */
const MAX_REQUESTS = 64
/** A quarter, of requests and of connections, is left for other addresses */
const MAX_CLIENT_REQUESTS = 48
/** The command line and scrapers write their request in one go; whoever holds back is not one of them */
const DEFAULT_REQUEST_TIMEOUT = 2000
/** Names that the answer about a directory gives: enough to show what to ask for */
export const ENTRIES_NAMED = 20
/** A pipe into a paused pager may stand still for as long as a lunch */
const DEFAULT_STALL_TIMEOUT = 3_600_000

/**
 * The endpoint for whoever runs the node: metrics, statistics, reads and their
 * stories. Every path but `/live`, `/ready` and `/api/hello` demands the token; for privacy reports there may be others.
 */
export class Control {
  readonly #components: ControlComponents
  readonly #init: ControlInit
  readonly #server: HttpServer
  readonly #allowedHosts: readonly string[]
  #url = ''
  /** What a client must send */
  readonly token: string

  constructor (components: ControlComponents, init: ControlInit = {}) {
    const host = init.host ?? '127.0.0.1'
    this.#components = components
    this.#init = init
    this.token = init.token ?? newToken()
    this.#allowedHosts = ownNames(host, init.allowedHosts)
    this.#server = new HttpServer({
      name: 'control',
      host,
      port: init.port ?? DEFAULT_CONTROL_PORT,
      portFlag: '--control-port',
      maxRequests: MAX_REQUESTS,
      maxClientRequests: MAX_CLIENT_REQUESTS,
      requestTimeout: init.requestTimeout ?? DEFAULT_REQUEST_TIMEOUT,
      methods: ['GET', 'HEAD', 'POST'],
      clock: components.clock,
      log: components.logger.forComponent('portolan:control'),
      handler: exchange => this.#handle(exchange)
    })
    registerProcessMetrics(components.metrics)
  }

  async start (): Promise<{ host: string, port: number, url: string }> {
    const address = await this.#server.start()
    this.#url = address.url
    return address
  }

  async stop (): Promise<void> {
    await this.#server.stop()
  }

  async #handle (exchange: Exchange): Promise<void> {
    const { path, response, request } = exchange
    const { metrics, stats, ready } = this.#components

    if (!isOwnHost(request.headers.host, this.#allowedHosts)) {
      throw new HttpError(403, 'The Host header names another machine; control.allowedHosts says which names are ours.')
    }
    if (path === '/live') {
      sendText(response, 200, 'live\n')
      return
    }
    if (path === '/ready') {
      sendText(response, ready() ? 200 : 503, ready() ? 'ready\n' : 'not ready\n')
      return
    }
    if (path === '/api/hello') {
      this.#hello(exchange)
      return
    }
    const token = bearerToken(request.headers.authorization)
    const operator = sameToken(token ?? '', this.token)
    if (path === PRIVACY_REPORT_PATH && this.#components.privacyReports != null) {
      answerPrivacyReport(exchange, this.#components.privacyReports, { token, operator })
      return
    }
    if (!operator) {
      throw new HttpError(401, 'The token of this node is missing or wrong: send the contents of the file control.token in its store directory as "Authorization: Bearer TOKEN".', { headers: { 'www-authenticate': 'Bearer realm="portolan"' } })
    }
    exchange.trust()

    if (path.startsWith(CACHE_PATH)) {
      await answerCache(exchange, this.#components.cache, { clock: this.#components.clock, stallTimeout: this.#init.stallTimeout ?? DEFAULT_STALL_TIMEOUT })
      return
    }
    if (path.startsWith(ANNOUNCE_PATH) && this.#components.announce != null) {
      const { announce, contentRouting, parseCID, clock } = this.#components
      const tools = { ...announce, parseCID, announce: contentRouting.announce.bind(contentRouting), cancel: contentRouting.cancel.bind(contentRouting) }
      await answerAnnounce(exchange, tools, { clock, stallTimeout: this.#init.stallTimeout ?? DEFAULT_STALL_TIMEOUT })
      return
    }
    if (exchange.method === 'POST') {
      throw new HttpError(405, 'POST is only for what changes the cache, and for announcing.', { headers: { allow: 'GET, HEAD' } })
    }
    switch (path) {
      case '/metrics':
        sendText(response, 200, metrics.toString(), { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
        return
      case '/api/stats':
        sendJson(response, 200, stats())
        return
      case '/api/get':
        await this.#get(exchange)
        return
      case '/api/explain':
        await this.#explain(exchange)
        return
      default:
        throw new HttpError(404, 'There is nothing here. There are /metrics, /api/stats, /api/get?cid=CID, /api/explain?cid=CID (with &privacy=1: who learnt of it), /api/cache/stats and /api/cache/ls, with POST /api/cache/verify, gc and clear, /api/announce, with POST /api/announce?cids=CID,CID and /api/announce/cancel, /api/privacy/report?format=NAME, /api/hello?nonce=NONCE, /live and /ready.')
    }
  }

  /** Proves to a client that this is the node whose token it has, before it sends that */
  #hello ({ query, response }: Exchange): void {
    const nonce = query.get('nonce')

    if (!isNonce(nonce)) {
      throw new HttpError(400, 'The nonce is missing or not one: 16 to 128 letters, digits, - and _.')
    }
    sendJson(response, 200, { proof: tokenProof(this.token, this.#url, nonce) })
  }

  /** Opens a session for `?cid=CID[/path]` and whatever hints and deadline the operator gave */
  async #visit<T> (exchange: Exchange, use: (target: { root: CID, names: readonly string[], load: BlockLoader }) => Promise<T>): Promise<T> {
    const { query, signal } = exchange
    const cid = query.get('cid')

    if (cid == null) {
      throw new HttpError(400, 'The CID is missing: ?cid=CID or ?cid=CID/path.')
    }
    // the same reader as for the gateway's paths, which are percent-encoded
    const { root, names } = parseIpfsPath(`/ipfs/${cid.replace(/^\/ipfs\//, '').split('/').map(name => encodeURIComponent(name)).join('/')}`, this.#components.parseCID)
    const session = this.#components.contentRouting.createSession(root, { signal, client: 'operator' })
    try {
      return await use({ root, names, load: (cid, options) => session.retrieve(cid, { signal: options?.signal ?? signal, client: 'operator' }) })
    } finally {
      session.close()
    }
  }

  async #get (exchange: Exchange): Promise<void> {
    const { response, signal, method } = exchange
    const { files, clock } = this.#components

    await this.#visit(exchange, async ({ root, names, load }) => {
      const node: FileNode = await files.resolve(root, names, load, { signal })
      if (node.type === 'directory') {
        sendJson(response, 409, { error: 'directory', entries: await firstNames(files.list(node.cid, load, { signal, limit: ENTRIES_NAMED })) })
        return
      }
      const head = (): void => {
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': node.size, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      }
      if (method === 'HEAD' || node.size === 0) {
        head()
        response.end()
        return
      }
      await sendBody(response, files.read(node.cid, load, { signal }), {
        signal, clock, head, length: node.size, stallTimeout: this.#init.stallTimeout ?? DEFAULT_STALL_TIMEOUT
      })
    })
  }

  async #explain (exchange: Exchange): Promise<void> {
    const { contentRouting, files, privacy } = this.#components
    const asksWho = exchange.query.get('privacy') === '1'

    if (asksWho && privacy == null) {
      throw new HttpError(404, 'Nobody writes down who learns what: the node runs without a ledger (ledger.enabled).')
    }
    await this.#visit(exchange, async ({ root, names, load }) => {
      let cid = root
      let error: Error | undefined
      try {
        cid = names.length === 0 ? root : (await files.resolve(root, names, load, { signal: exchange.signal })).cid
        // a success is told as it was; a failure of an hour ago may be none by now
        if (!told(contentRouting.explain(cid))) {
          await load(cid, { signal: exchange.signal })
        }
      } catch (err) {
        exchange.signal.throwIfAborted()
        error = err instanceof Error ? err : new Error(String(err))
      }
      const story = (error as RetrievalFailedError | undefined)?.story ?? contentRouting.explain(cid)
      if (error != null && story == null) {
        throw error
      }
      sendJson(exchange.response, 200, {
        cid: cid.toString(),
        // an error that nobody foresaw says as little here as on the gateway
        ...(error == null ? {} : { error: { name: error.name, message: toHttpError(error).message.split('\n')[0] } }),
        text: String(story),
        story,
        ...asksWho ? { privacy: privacy?.(cid, story?.toJSON()) } : {}
      })
    })
  }
}

function told (story: Story | undefined): boolean {
  const { result } = (story?.toJSON() ?? {}) as { result?: string }
  return result === 'delivered' || result === 'cached'
}

/** The names of the first entries of a directory */
export async function firstNames (entries: AsyncIterable<DirectoryEntry>): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of entries) {
    names.push(name)
  }
  return names
}
