import { connect as tcpConnect, isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { raceSignal } from '../../clock/race-signal.ts'
import { isNameAnswer } from '../../interface/name-answer.ts'
import { RedisError, printable } from './redis-error.ts'
import { ReplyGate } from './reply-gate.ts'
import type { RedisServer } from './redis-options.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Socket } from 'node:net'

/** Bytes that the replies to a login have at most: each a line, and of those errors are the longest */
const MAX_LOGIN = 8192

/**
 * A connection to Redis that is logged in, and lets through only what was asked for.
 * The login happens here and not in the client behind it, which keeps the arguments of
 * commands in its errors, its traces and its debug output, passwords included.
 */
export async function checkedStream (server: RedisServer, signal: AbortSignal, disclosure: Disclosure): Promise<CheckedStream> {
  const password = await raceSignal(server.password(), signal).catch((err: unknown) => {
    disclosure.notSent()
    throw err
  })
  const socket = open(server, disclosure)
  try {
    await connected(socket, server.tls ? 'secureConnect' : 'connect', signal)
    await login(socket, server, password, signal)
  } catch (err) {
    socket.destroy()
    throw err
  }
  return new CheckedStream(socket, password)
}

/** That somebody connects is learnt there, and its name by whoever answers for names */
function open ({ host, port, tls, ca }: RedisServer, disclosure: Disclosure): Socket {
  const named = isIP(host) === 0 ? disclosure.also({ observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' }) : undefined
  const socket = tls
    ? tlsConnect({ host, port, ca: ca == null ? undefined : [ca].flat(), servername: isIP(host) === 0 ? host : undefined })
    : tcpConnect({ host, port })
  socket.once('lookup', (err: Error | null) => {
    if (err == null || isNameAnswer(err)) {
      named?.sent()
    }
    if (err != null) {
      disclosure.notSent()
    }
  })
  socket.once('connect', () => { disclosure.sent() })
  socket.once('close', () => {
    named?.unknown()
    disclosure.unknown()
  })
  // an error between two who listen for it must not end the process: the socket is closed then, which both see
  return socket.on('error', () => {})
}

async function connected (socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  await settled(socket, signal, resolve => {
    socket.once(event, resolve)
    return () => { socket.off(event, resolve) }
  })
  socket.setNoDelay(true)
}

async function login (socket: Socket, { username, database }: RedisServer, password: string | undefined, signal: AbortSignal): Promise<void> {
  const commands = [
    ...password == null ? [] : [['AUTH', ...username == null ? [] : [username], password]],
    ...database === 0 ? [] : [['SELECT', String(database)]]
  ]
  if (commands.length === 0) {
    return
  }

  let text = ''
  await settled(socket, signal, (resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      const lines = text.split('\r\n')
      const wrong = lines.slice(0, -1).find(line => !line.startsWith('+'))

      if (wrong != null || text.length > MAX_LOGIN) {
        reject(new RedisError('refused', wrong?.startsWith('-') === true
          ? `it refuses the login: ${printable(Buffer.from(wrong.slice(1), 'latin1').toString('utf8'), password)}`
          : 'it does not speak the Redis protocol'))
      } else if (lines.length > commands.length) {
        if (lines.length === commands.length + 1 && lines.at(-1) === '') {
          resolve()
        } else {
          reject(new RedisError('refused', 'it sent something that nobody asked for'))
        }
      }
    }
    socket.on('data', onData)
    socket.write(commands.map(encode).join(''))
    return () => {
      socket.off('data', onData)
      socket.pause()
    }
  })
}

function encode (command: readonly string[]): string {
  return `*${command.length}\r\n${command.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

/** Waits for a socket; a failure of the socket or the signal ends it */
async function settled (socket: Socket, signal: AbortSignal, begin: (resolve: () => void, reject: (err: Error) => void) => () => void): Promise<void> {
  let end = (): void => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const onError = (err: NodeJS.ErrnoException): void => { reject(new RedisError('unreachable', `there is no connection: ${printable(err.code ?? err.message, undefined)}`)) }
      const onClose = (): void => { reject(new RedisError('unreachable', 'it closed the connection')) }
      const onAbort = (): void => { reject(signal.reason as Error) }
      socket.once('error', onError)
      socket.once('close', onClose)
      signal.addEventListener('abort', onAbort, { once: true })
      const done = begin(resolve, reject)
      end = () => {
        done()
        socket.off('close', onClose)
        signal.removeEventListener('abort', onAbort)
        socket.off('error', onError)
      }
    })
  } finally {
    end()
  }
}

/** What the client gets instead of the socket */
export class CheckedStream extends Duplex {
  readonly gate = new ReplyGate()
  readonly #socket: Socket
  readonly #password: string | undefined
  #corked = false

  constructor (socket: Socket, password: string | undefined) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    this.#password = password
    socket.on('data', (chunk: Buffer) => {
      const wrong = this.gate.check(chunk)
      if (wrong != null) {
        this.destroy(new RedisError('refused', wrong))
      } else if (!this.push(chunk)) {
        socket.pause()
      }
    })
    socket.on('error', (err: NodeJS.ErrnoException) => { this.destroy(new RedisError('unreachable', `the connection broke: ${printable(err.code ?? err.message, undefined)}`)) })
    socket.on('close', () => { this.destroy(new RedisError('unreachable', 'it closed the connection')) })
    if (socket.destroyed) {
      this.destroy(new RedisError('unreachable', 'it closed the connection'))
    }
  }

  /** Bytes that the operating system has not taken yet */
  get unwritten (): number {
    return this.writableLength + this.#socket.writableLength
  }

  /** What came from there, fit for a log */
  printable (text: string): string {
    return printable(text, this.#password)
  }

  setNoDelay (on?: boolean): this {
    this.#socket.setNoDelay(on)
    return this
  }

  setKeepAlive (on?: boolean, delay?: number): this {
    this.#socket.setKeepAlive(on, delay)
    return this
  }

  override _read (): void {
    this.#socket.resume()
  }

  override _write (chunk: Uint8Array, _encoding: BufferEncoding, done: (err?: Error | null) => void): void {
    this.#gather()
    if (this.#socket.write(chunk)) {
      done()
    } else {
      this.#socket.once('drain', () => { done() })
    }
  }

  override _final (done: (err?: Error | null) => void): void {
    this.#socket.end(() => { done() })
  }

  override _destroy (err: Error | null, done: (err?: Error | null) => void): void {
    if (this.#socket.closed) {
      done(err)
      return
    }
    this.#socket.once('close', () => { done(err) })
    this.#socket.destroy()
  }

  /** The commands of one turn of the event loop go out in one system call */
  #gather (): void {
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
  }
}
