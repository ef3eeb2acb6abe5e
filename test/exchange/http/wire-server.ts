import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** One request as it came over the wire */
export interface WireRequest {
  readonly line: string
  readonly headers: Record<string, string>
  readonly socket: Socket
  /** 0 for the first request of its connection */
  readonly nth: number
}

export interface WireServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: WireRequest[]
  /** Every connection ever accepted */
  readonly sockets: Socket[]
  /** Resolves when request number `n` (from 1) has come */
  request (n: number): Promise<WireRequest>
  /** Resolves when the first bytes have come, whatever they are */
  readonly touched: Promise<void>
  /** Resolves when connection number `n` (from 1) is closed, or was */
  closed (n: number): Promise<void>
  readonly open: number
}

/** A server that writes what it is told, HTTP or not: whole requests in, bytes out */
export async function wireServer (answer: (request: WireRequest) => void): Promise<WireServer> {
  const requests: WireRequest[] = []
  const sockets: Socket[] = []
  const waiting: Array<() => void> = []
  const touched = Promise.withResolvers<void>()

  const server = createServer({ allowHalfOpen: false }, socket => {
    sockets.push(socket)
    let text = ''
    let nth = 0
    socket.setNoDelay(true)
    socket.on('error', () => { /* clients of these tests hang up in every way there is */ })
    socket.on('data', data => {
      touched.resolve()
      text += data.toString('latin1')

      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const [line = '', ...rest] = text.slice(0, end).split('\r\n')
        text = text.slice(end + 4)
        const headers = Object.fromEntries(rest.map(header => {
          const colon = header.indexOf(':')
          return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
        }))
        const request = { line, headers, socket, nth: nth++ }
        requests.push(request)
        waiting.splice(0).forEach(wake => { wake() })
        answer(request)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    sockets,
    touched: touched.promise,
    get open () {
      return sockets.filter(socket => !socket.closed).length
    },
    async request (n) {
      while (requests.length < n) {
        await new Promise<void>(resolve => { waiting.push(resolve) })
      }
      return requests[n - 1] as WireRequest
    },
    async closed (n) {
      const socket = sockets[n - 1]
      if (socket === undefined) {
        throw new Error(`there is no connection number ${n}`)
      }
      if (!socket.closed) {
        // not `once`, which rejects when the client resets
        await new Promise<void>(resolve => { socket.on('close', () => { resolve() }) })
      }
    },
    async [Symbol.asyncDispose] () {
      sockets.forEach(socket => socket.destroy())
      server.close()
      await once(server, 'close')
    }
  }
}

/** A plain answer with the right length */
export function ok (body: Uint8Array | string, headers: Record<string, string> = {}): Buffer {
  return response(200, body, { 'Content-Type': 'application/vnd.ipld.raw', ...headers })
}

export function response (status: number, body: Uint8Array | string = '', headers: Record<string, string> = {}): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([head(status, { 'Content-Length': String(bytes.length), ...headers }), bytes])
}

/** A status line and headers, and nothing else */
export function head (status: number, headers: Record<string, string> = {}): Buffer {
  return Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1')
}
