import { once } from 'node:events'
import { connect } from 'node:net'
import type { Reading } from './transfer.ts'
import type { CID } from 'multiformats/cid'

/** Kubo reads 64 MiB in half a second */
const READ_TIMEOUT = 120_000
/** One buffer for all that comes: nothing is allocated, and few system calls are made, while Kubo is measured */
const BUFFER = 1024 * 1024
const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * `POST /api/v0/cat`, timed, its bytes counted and dropped. Node's HTTP client
 * would take from two processors what the two daemons need (docs/decisions.md),
 * so this speaks HTTP/1.0 over a bare socket, where the body is what comes until the end.
 */
export async function drainCat (apiUrl: string, root: CID, size: number): Promise<Reading> {
  const { hostname, port, host } = new URL(apiUrl)
  let first: number | undefined
  let length = 0
  let head: Buffer | undefined = Buffer.alloc(0)

  const socket = connect({
    host: hostname,
    port: Number(port),
    signal: AbortSignal.timeout(READ_TIMEOUT),
    onread: {
      buffer: Buffer.allocUnsafe(BUFFER),
      callback (bytes, buffer) {
        if (head == null) {
          first ??= performance.now()
          length += bytes
          return true
        }
        head = Buffer.concat([head, buffer.subarray(0, bytes)])
        const end = head.indexOf(HEAD_END)
        if (end >= 0) {
          if (!/^HTTP\/1\.\d 200 /.test(head.toString('latin1', 0, end))) {
            socket.destroy(new Error(`Kubo refused to cat: ${head.toString('utf8')}`))
          }
          length = head.length - end - HEAD_END.length
          first = length > 0 ? performance.now() : undefined
          head = undefined
        }
        return true
      }
    }
  })

  try {
    await once(socket, 'connect')
    const begun = performance.now()
    socket.write(`POST /api/v0/cat?arg=${root} HTTP/1.0\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
    await once(socket, 'end')
    const ended = performance.now()
    if (first == null || length !== size) {
      throw new Error(`Kubo's cat gave ${length} bytes of ${size}`)
    }
    return { ms: ended - begun, firstByteMs: first - begun }
  } finally {
    socket.destroy()
  }
}
