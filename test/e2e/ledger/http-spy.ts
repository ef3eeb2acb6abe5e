import { once } from 'node:events'
import { createServer } from 'node:net'
import { CID } from 'multiformats/cid'
import { carQuery, carSections } from '../../../src/testing/car-sections.ts'
import type { Channel, Sightings } from './sightings.ts'
import type { AddressInfo, Socket } from 'node:net'

/** What becomes of a request */
export type HttpConduct = 'good' | 'missing' | 'error' | 'busy' | 'gone' | 'redirect' | 'wrong' | 'cut' | 'reset' | 'deaf' | 'hang' | 'slow' | 'noise'

export interface HttpSpyInit {
  readonly sightings: Sightings
  /** By the multihash in base64url */
  readonly blocks: ReadonlyMap<string, Uint8Array>
  /** Asked for each connection and each request. @default always good */
  readonly conduct?: (what: 'connection' | 'request') => HttpConduct
  /** Where a redirect leads */
  readonly elsewhere?: string
  /** Whom it names as a delegated router: lines of a peer schema for that multihash or peer */
  readonly records?: (subject: string, kind: 'providers' | 'peers') => readonly object[]
}

export interface HttpSpy {
  readonly port: number
  readonly url: string
  close (): Promise<void>
}

const STATUS: Partial<Record<HttpConduct, string>> = {
  missing: '404 Not Found',
  error: '500 Internal Server Error',
  busy: '429 Too Many Requests\r\nretry-after: 1',
  gone: '410 Gone'
}

/** Milliseconds that a spy takes for what it does late */
const LATE = 20

/**
 * A gateway or a router, read from the bare socket: it sees what was written to it, whoever
 * wrote it, and breaks connections where it likes.
 */
export async function httpSpy (init: HttpSpyInit): Promise<HttpSpy> {
  const { sightings, conduct = () => 'good' } = init
  const sockets = new Set<Socket>()
  /** Those that were ended by us, in whatever way */
  const ended = new WeakSet<Socket>()
  const addressed = (host: string): string => `http:${host}`
  let port = 0

  const server = createServer({ pauseOnConnect: true }, socket => {
    sockets.add(socket)
    const channel = sightings.channel(`tcp:${port}`, 'any')
    let spoken = false
    let rest = Buffer.alloc(0)
    let unanswered = 0
    socket.on('error', () => { socket.destroy() })
    socket.on('close', () => {
      sockets.delete(socket)
      if (unanswered > 0 || !spoken) {
        sightings.broke(channel, ended.has(socket) ? 'spy' : 'node')
      }
    })
    let turn = Promise.resolve()
    const onData = (chunk: Buffer, answers = true): void => {
      rest = Buffer.concat([rest, chunk])
      for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
        const lines = rest.toString('latin1', 0, end).split('\r\n')
        rest = rest.subarray(end + 4)
        const host = lines.find(line => /^host:/i.test(line))?.slice(5).trim() ?? ''
        const [, path = ''] = (lines[0] ?? '').split(' ')
        spoken = true
        unanswered++
        saw(channel, host, path)
        if (answers) {
          turn = turn.then(async () => answer(socket, path, conduct('request'))).then(answered => { unanswered -= answered ? 1 : 0 })
        }
      }
    }
    // a connection names nobody before a request does
    sightings.see(channel, `tcp:${port}`, 'dial', 'none')

    if (conduct('connection') === 'deaf') {
      // what has arrived is there to be read, by whoever owns the machine
      ended.add(socket)
      setTimeout(() => {
        socket.once('data', chunk => { onData(chunk, false) })
        socket.resume()
        setImmediate(() => { socket.resetAndDestroy() })
      }, LATE)
      return
    }

    socket.on('data', chunk => { onData(chunk) })
    socket.resume()
  })

  const saw = (channel: Channel, host: string, path: string): void => {
    const [, first, second, third, fourth] = path.split(/[/?]/)

    if (first === 'ipfs' && second != null) {
      sightings.see(channel, addressed(host), 'http', 'cid', keyOf(second), 'asked', carQuery(path) == null ? undefined : 'car')
    } else if (first === 'routing' && fourth != null) {
      sightings.see(channel, `router:${host}`, 'delegated', third === 'peers' ? 'peer' : 'cid', third === 'peers' ? peerOf(fourth) : keyOf(fourth))
    } else {
      throw new Error(`A request for ${path} is none that this spy knows`)
    }
  }

  /** True when all of an answer was given to the socket, as far as it goes */
  const answer = async (socket: Socket, path: string, how: HttpConduct): Promise<boolean> => {
    const head = (status: string, more = ''): string => `HTTP/1.1 ${status}\r\n${more}`
    if (['reset', 'noise', 'cut'].includes(how)) {
      ended.add(socket)
    }
    if (how === 'reset') {
      socket.resetAndDestroy()
      return false
    }
    if (how === 'hang') {
      return false
    }
    if (how === 'noise') {
      socket.end('220 ready when you are\r\n\r\n')
      return false
    }
    if (how === 'redirect') {
      socket.write(head('302 Found', `location: ${init.elsewhere ?? ''}${path}\r\ncontent-length: 0\r\n\r\n`))
      return true
    }
    const status = STATUS[how]

    if (status != null) {
      socket.write(head(status, 'content-length: 0\r\n\r\n'))
      return true
    }
    if (path.startsWith('/routing/')) {
      const [, , , kind, subject = ''] = path.split(/[/?]/)
      const records = kind === 'peers' ? init.records?.(peerOf(subject), 'peers') : init.records?.(keyOf(subject), 'providers')
      const body = (records ?? []).map(record => `${JSON.stringify(record)}\n`).join('')
      await write(socket, [head(records == null || records.length === 0 ? '404 Not Found' : '200 OK', `content-type: application/x-ndjson\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`), body], how)
      return true
    }

    const cid = CID.parse(path.split(/[/?]/)[2] ?? '')
    const query = carQuery(path)
    const get = async (cid: CID): Promise<Uint8Array | undefined> => init.blocks.get(keyOf(cid.toString()))

    if (query == null) {
      const bytes = await get(cid)
      await write(socket, bytes == null
        ? [head(STATUS.missing as string, 'content-length: 0\r\n\r\n')]
        : [head('200 OK', `content-type: application/vnd.ipld.raw\r\ncontent-length: ${bytes.length}\r\n\r\n`), how === 'wrong' ? bytes.map(byte => byte ^ 1) : bytes], how)
      return true
    }

    const parts: Uint8Array[] = []
    try {
      for await (const section of carSections(cid, get, query)) {
        parts.push(section)
      }
    } catch {
      parts.length = 0
    }
    const length = parts.reduce((sum, { length }) => sum + length, 0)
    await write(socket, parts.length === 0
      ? [head(STATUS.missing as string, 'content-length: 0\r\n\r\n')]
      : [head('200 OK', `content-type: application/vnd.ipld.car; version=1; order=dfs; dups=n\r\ncontent-length: ${length}\r\n\r\n`), ...parts], how)
    return true
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close () {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) {
        socket.destroy()
      }
      await closed
    }
  }
}

async function write (socket: Socket, parts: ReadonlyArray<string | Uint8Array>, how: HttpConduct): Promise<void> {
  const bytes = Buffer.concat(parts.map(part => Buffer.from(part as Uint8Array)))

  if (how === 'cut') {
    socket.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => { socket.destroy() })
  } else if (how === 'slow') {
    const third = Math.ceil(bytes.length / 3)
    for (let at = 0; at < bytes.length && !socket.destroyed; at += third) {
      socket.write(bytes.subarray(at, at + third))
      await new Promise(resolve => setTimeout(resolve, LATE))
    }
  } else {
    socket.write(bytes)
  }
}

export function keyOf (cid: string): string {
  return Buffer.from(CID.parse(cid).multihash.bytes).toString('base64url')
}

/** A peer id as a CID, as delegated routers are asked, in its older form */
function peerOf (text: string): string {
  const bytes = CID.parse(text).multihash.bytes
  return base58(bytes)
}

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function base58 (bytes: Uint8Array): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  while (value > 0n) {
    text = (ALPHABET[Number(value % 58n)] as string) + text
    value /= 58n
  }
  return '1'.repeat(bytes.findIndex(byte => byte !== 0)) + text
}
