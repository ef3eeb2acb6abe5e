import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export type Answer = string | Uint8Array | undefined

export interface RespServer {
  readonly url: string
  /** Every command that came, in order: `AUTH`, `GETRANGE`, … */
  readonly commands: string[][]
  /** What is sent for a command instead of the usual reply; undefined: the usual one */
  answer: (command: readonly string[], socket: Socket) => Answer | 'nothing'
  /** Told of each connection, before anything came by it */
  met: (socket: Socket) => void
  readonly values: Map<string, Buffer>
  readonly connections: number
  dropAll (): void
  close (): Promise<void>
}

/** So much of Redis as a tier uses, with everything that can be wrong with it under control */
export async function respServer (): Promise<RespServer> {
  const sockets = new Set<Socket>()
  const values = new Map<string, Buffer>()
  const commands: string[][] = []
  let connections = 0
  const listener = createServer(socket => {
    connections++
    sockets.add(socket)
    server.met(socket)
    let rest = Buffer.alloc(0)
    socket.on('error', () => { socket.destroy() })
    socket.on('close', () => { sockets.delete(socket) })
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (let parsed = parse(rest); parsed != null; parsed = parse(rest)) {
        rest = rest.subarray(parsed.length)
        const words = parsed.words.map(word => word.toString('latin1'))
        words[0] = words[0]?.toUpperCase() ?? ''
        commands.push(words)
        const reply = server.answer(words, socket) ?? usual(parsed.words, values)
        if (reply !== 'nothing') {
          socket.write(reply)
        }
      }
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  const server: RespServer = {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    commands,
    values,
    answer: () => undefined,
    met: () => {},
    get connections () {
      return connections
    },
    dropAll () {
      for (const socket of sockets) {
        socket.resetAndDestroy()
      }
    },
    async close () {
      const closed = once(listener, 'close')
      listener.close()
      server.dropAll()
      await closed
    }
  }
  return server
}

function parse (data: Buffer): { words: Buffer[], length: number } | undefined {
  let at = data.indexOf('\r\n')
  if (at === -1) {
    return undefined
  }
  const count = Number(data.toString('latin1', 1, at))
  at += 2
  const words: Buffer[] = []
  while (words.length < count) {
    const end = data.indexOf('\r\n', at)
    if (end === -1) {
      return undefined
    }
    const length = Number(data.toString('latin1', at + 1, end))
    if (data.length < end + 2 + length + 2) {
      return undefined
    }
    words.push(data.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
  return { words, length: at }
}

export function bulk (value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}

function usual (words: readonly Buffer[], values: Map<string, Buffer>): string | Uint8Array {
  const key = words[1]?.toString('latin1') ?? ''
  switch (words[0]?.toString('latin1').toUpperCase()) {
    case 'PING': return '+PONG\r\n'
    case 'INFO': return bulk('maxmemory:1024\r\nmaxmemory_policy:allkeys-lru\r\n')
    case 'GETRANGE': return bulk(values.get(key)?.subarray(0, Number(words[3]) + 1) ?? '')
    case 'SET':
      values.set(key, Buffer.from(words[2] ?? ''))
      return '+OK\r\n'
    case 'DEL': return `:${values.delete(key) ? 1 : 0}\r\n`
    default: return '+OK\r\n'
  }
}
