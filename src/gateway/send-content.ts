import { SNIFF_LENGTH, typeOfBytes } from './content-type.ts'
import { HttpError } from './http-error.ts'
import { allowsRange, parseRange } from './http-range.ts'
import { sendBody } from './respond.ts'
import type { Exchange, OutgoingHttpHeaders } from './server.ts'
import type { Clock } from '../interface/clock.ts'

/** Bytes of a known size, of which any part can be read */
export interface Content {
  readonly etag: string
  readonly size: number
  /** Absent: the first bytes decide */
  readonly type?: string
  readonly disposition?: string
  read (offset: number, length: number): AsyncIterable<Uint8Array>
}

/**
 * Answers with content: whole, a range of it, or only its head. Resolves with
 * the bytes sent.
 */
export async function sendContent (exchange: Exchange, content: Content, headers: OutgoingHttpHeaders, options: { clock: Clock, stallTimeout: number }): Promise<number> {
  const { response, method, signal } = exchange
  const { range: wanted, 'if-range': ifRange } = exchange.request.headers
  const range = parseRange(allowsRange(ifRange as string | undefined, content.etag) ? wanted : undefined, content.size)

  if (range.kind === 'unsatisfiable') {
    throw new HttpError(416, `The range lies outside the ${content.size} bytes there are.`, { headers: { 'content-range': `bytes */${content.size}` } })
  }
  const first = range.kind === 'part' ? range.first : 0
  const length = range.kind === 'part' ? range.last - range.first + 1 : content.size
  // a HEAD reads nothing of a file, so only its name can tell the type
  const type = content.type ?? (method === 'HEAD' ? undefined : await sniff(content))
  const head = (): void => {
    response.writeHead(range.kind === 'part' ? 206 : 200, {
      etag: content.etag,
      'accept-ranges': 'bytes',
      'content-length': length,
      ...(type == null ? {} : { 'content-type': type }),
      ...(content.disposition == null ? {} : { 'content-disposition': content.disposition }),
      ...(range.kind === 'part' ? { 'content-range': `bytes ${range.first}-${range.last}/${content.size}` } : {}),
      ...headers
    })
  }

  if (method === 'HEAD' || length === 0) {
    head()
    response.end()
    return 0
  }
  return await sendBody(response, content.read(first, length), { ...options, signal, length, head })
}

async function sniff (content: Content): Promise<string> {
  const start = new Uint8Array(Math.min(SNIFF_LENGTH + 1, content.size))
  let filled = 0

  if (start.byteLength > 0) {
    for await (const chunk of content.read(0, start.byteLength)) {
      start.set(chunk.subarray(0, start.byteLength - filled), filled)
      filled += chunk.byteLength
    }
  }
  return typeOfBytes(start)
}
