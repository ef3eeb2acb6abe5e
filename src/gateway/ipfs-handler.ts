import { contentDisposition } from './content-disposition.ts'
import { typeOfName } from './content-type.ts'
import { directoryPage } from './directory-page.ts'
import { chooseFormat } from './format.ts'
import { HttpError } from './http-error.ts'
import { namesETag } from './http-range.ts'
import { parseIpfsPath } from './ipfs-path.ts'
import { sendBody } from './respond.ts'
import { sendContent } from './send-content.ts'
import type { FileNode, GatewayComponents } from './components.ts'
import type { IpfsPath } from './ipfs-path.ts'
import type { Content } from './send-content.ts'
import type { Exchange, OutgoingHttpHeaders } from './server.ts'
import type { BlockLoader } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

export interface IpfsHandlerInit {
  /** How long a client may take no bytes of an answer */
  stallTimeout: number
  maxDirectoryEntries: number
  /** Bytes to load ahead of readers, shared among the answers under way when one begins */
  readAhead: number
  /** Requests being answered: who shares `readAhead` */
  active: () => number
  /** Called with the bytes of every body */
  onBytes?: (bytes: number) => void
}

/** What a CID leads to never changes: 48 weeks, as other gateways say */
const IMMUTABLE = 'public, max-age=29030400, immutable'
/** A generated page changes with the program that makes it */
const GENERATED = 'public, max-age=86400'

/** Read ahead for one answer at most: enough for 40 MB/s at 100 ms to a block */
const MAX_WINDOW = 4_194_304

/** What one of so many answers may load ahead; less than a block means one block at a time */
export function readWindow (readAhead: number, active: number): number {
  return Math.max(1, Math.min(MAX_WINDOW, Math.floor(readAhead / Math.max(1, active))))
}

/** One way to answer below a root: what the handlers of formats share */
interface Visit {
  readonly exchange: Exchange
  readonly path: IpfsPath
  readonly load: BlockLoader
  readonly headers: OutgoingHttpHeaders
}

/** Serves `/ipfs/CID[/path]`: files, directories, and blocks with `?format=raw` */
export class IpfsHandler {
  readonly #components: GatewayComponents
  readonly #init: IpfsHandlerInit

  constructor (components: GatewayComponents, init: IpfsHandlerInit) {
    this.#components = components
    this.#init = init
  }

  /** Answers one request; `headers` win over the handler's own */
  async handle (exchange: Exchange, requestPath = exchange.path, headers: OutgoingHttpHeaders = {}): Promise<void> {
    const format = chooseFormat(exchange.query, exchange.request.headers.accept)
    const path = parseIpfsPath(requestPath, this.#components.parseCID)

    if (typeof format === 'object') {
      throw new HttpError(406, `This gateway does not make ${JSON.stringify(format.unsupported.slice(0, 80))}. It has files (no format asked for) and blocks (?format=raw or Accept: application/vnd.ipld.raw).`)
    }
    if (exchange.request.headers['service-worker'] === 'script' && path.names.length === 0) {
      // its scope would be all of /ipfs/: every other site that this gateway shows
      throw new HttpError(400, 'A service worker may not be registered from a bare CID: it would control everything under /ipfs/.')
    }
    if (path.names.length === 0 && notModified(exchange, etagOf(path.root, format))) {
      // the client holds it, and it cannot have changed: no reason to fetch anything
      this.#notModified(exchange, etagOf(path.root, format), headers)
      return
    }

    const offline = /\bonly-if-cached\b/i.test(exchange.request.headers['cache-control'] ?? '')
    const session = this.#components.contentRouting.createSession(path.root, { signal: exchange.signal, client: exchange.client, offline })
    try {
      const visit: Visit = {
        exchange,
        path,
        load: (cid, { signal = exchange.signal, purpose, needed, part } = {}) => session.retrieve(cid, { signal, purpose, needed, part, client: exchange.client, offline }),
        headers: { 'x-ipfs-path': path.encoded, 'x-content-type-options': 'nosniff', vary: 'Accept', ...headers }
      }
      await (format === 'raw' ? this.#raw(visit) : this.#unixfs(visit))
    } finally {
      session.close()
    }
  }

  async #raw (visit: Visit): Promise<void> {
    const { path, exchange, load } = visit
    const cid = path.names.length === 0 ? path.root : (await this.#resolve(visit, path.names)).cid
    const etag = etagOf(cid, 'raw')

    if (notModified(exchange, etag)) {
      this.#notModified(exchange, etag, visit.headers)
      return
    }
    const bytes = await load(cid, { signal: exchange.signal })
    await this.#send(visit, {
      etag,
      size: bytes.byteLength,
      type: 'application/vnd.ipld.raw',
      disposition: contentDisposition('attachment', exchange.query.get('filename') ?? `${cid}.bin`),
      read: async function * (first, length) { yield bytes.subarray(first, first + length) }
    })
  }

  async #unixfs (visit: Visit): Promise<void> {
    const { exchange, path } = visit
    const node = await this.#resolve(visit, path.names)

    if (node.type === 'file') {
      await this.#file(visit, node, path.names.at(-1))
      return
    }
    if (!path.trailingSlash) {
      // relative links on the page only work below a slash; built from our own path, so it stays on this host
      exchange.response.writeHead(301, { ...visit.headers, location: `${path.encoded}/${exchange.search}`, 'content-length': 0 })
      exchange.response.end()
      return
    }
    const index = await this.#index(visit)
    await (index == null ? this.#directory(visit, node) : this.#file(visit, index, 'index.html'))
  }

  #resolve (visit: Visit, names: readonly string[]): Promise<FileNode> {
    return this.#components.files.resolve(visit.path.root, names, visit.load, { signal: visit.exchange.signal })
  }

  async #index (visit: Visit): Promise<FileNode | undefined> {
    try {
      const node = await this.#resolve(visit, [...visit.path.names, 'index.html'])
      return node.type === 'file' ? node : undefined
    } catch (err) {
      if ((err as { code?: string }).code === 'not-found') {
        return undefined
      }
      throw err
    }
  }

  async #file (visit: Visit, node: FileNode, name: string | undefined): Promise<void> {
    const { exchange, load } = visit
    const filename = exchange.query.get('filename')
    const download = exchange.query.get('download') === 'true'
    const etag = etagOf(node.cid, 'unixfs')

    if (notModified(exchange, etag)) {
      this.#notModified(exchange, etag, visit.headers)
      return
    }
    const read = (offset: number, length: number): AsyncIterable<Uint8Array> =>
      this.#components.files.read(node.cid, load, {
        offset, length, signal: exchange.signal, window: readWindow(this.#init.readAhead, this.#init.active())
      })

    await this.#send(visit, {
      etag,
      size: node.size,
      type: typeOfName(filename ?? name),
      disposition: filename != null || download
        ? contentDisposition(download ? 'attachment' : 'inline', filename ?? name ?? String(node.cid))
        : undefined,
      read
    })
  }

  async #send (visit: Visit, content: Content): Promise<void> {
    const { stallTimeout, onBytes } = this.#init
    onBytes?.(await sendContent(visit.exchange, content, { 'cache-control': IMMUTABLE, ...visit.headers }, { clock: this.#components.clock, stallTimeout }))
  }

  async #directory (visit: Visit, node: FileNode): Promise<void> {
    const { exchange, path, load, headers } = visit
    const { response, signal } = exchange
    const etag = `W/"dir-${node.cid}"`

    if (notModified(exchange, etag)) {
      this.#notModified(exchange, etag, headers)
      return
    }
    const head = (): void => {
      response.writeHead(200, {
        'cache-control': GENERATED,
        etag,
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
        ...headers
      })
    }
    if (exchange.method === 'HEAD') {
      head()
      response.end()
      return
    }
    const entries = this.#components.files.list(node.cid, load, { signal, limit: this.#init.maxDirectoryEntries + 1 })
    this.#init.onBytes?.(await sendBody(response, directoryPage(path, node.cid, entries, this.#init.maxDirectoryEntries), {
      signal, head, clock: this.#components.clock, stallTimeout: this.#init.stallTimeout
    }))
  }

  #notModified (exchange: Exchange, etag: string, headers: OutgoingHttpHeaders): void {
    exchange.response.writeHead(304, { etag, 'cache-control': etag.startsWith('W/') ? GENERATED : IMMUTABLE, vary: 'Accept', ...headers })
    exchange.response.end()
  }
}

function etagOf (cid: CID, format: 'unixfs' | 'raw'): string {
  return format === 'raw' ? `"${cid}.raw"` : `"${cid}"`
}

function notModified (exchange: Exchange, etag: string): boolean {
  const header = exchange.request.headers['if-none-match']
  // `*` asks whether there is anything at all: that must be looked up, and the answer is the thing itself
  return header?.trim() !== '*' && namesETag(header, etag)
}
