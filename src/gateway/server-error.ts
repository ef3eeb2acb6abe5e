import { ListenError } from './http-error.ts'
import type { Duplex } from 'node:stream'

const STATUS_OF_CODE: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout'
}

/** Answers what is not HTTP, too large or too slow, and closes the connection; an answer under way is cut off, not written into */
export function rejectClient (err: NodeJS.ErrnoException, socket: Duplex, isAnswering: boolean): void {
  if (isAnswering || !socket.writable || err.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${STATUS_OF_CODE[err.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Why a server cannot listen, and which flag helps */
export function toListenError (err: NodeJS.ErrnoException, name: string, host: string, port: number, flag: string): Error {
  const why = err.code === 'EADDRINUSE'
    ? `port ${port} on ${host} is taken by another program; choose another with ${flag} PORT (0 takes a free one)`
    : err.code === 'EACCES'
      ? `port ${port} on ${host} may not be used by this user; choose one above 1023 with ${flag} PORT`
      : `cannot listen on ${host}, port ${port}: ${err.message}`
  return new ListenError(`${name}: ${why}`, { cause: err })
}
