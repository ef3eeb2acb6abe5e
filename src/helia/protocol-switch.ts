import { override } from '../provider/override.ts'
import type { Override } from '../provider/override.ts'
import type { Connection, Stream } from '@libp2p/interface'

export type StreamHandler = (stream: Stream, connection: Connection) => void

/** As libp2p takes and keeps it: stream limits and the like */
export type HandlerOptions = Readonly<Record<string, unknown>>

/** The part of a libp2p node that protocols are mounted on */
export interface MountableLibp2p {
  handle (protocols: string | string[], handler: StreamHandler, options?: object): Promise<void>
  unhandle (protocols: string | string[], options?: object): Promise<void>
  getProtocols (): string[]
  addEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void
  removeEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void
}

interface Registration {
  readonly handler: StreamHandler
  readonly options: HandlerOptions
}

interface WithRegistrar {
  components?: { registrar?: { getHandler? (protocol: string): Registration } }
}

/**
 * Stands between a libp2p node and one user of a protocol that others may have
 * mounted, or mount later: streams go to the one or the other, and when it is
 * over the others' handlers are where they would have been. Others may mount and
 * unmount as ever meanwhile; they take nothing away.
 */
export class ProtocolSwitch {
  readonly #libp2p: MountableLibp2p
  readonly #prefersOthers: (peer: string) => boolean
  readonly #handle: MountableLibp2p['handle']
  readonly #unhandle: MountableLibp2p['unhandle']
  readonly #overrides: readonly Override[]
  readonly #own = new Map<string, Registration>()
  readonly #others = new Map<string, Registration>()

  /** @param prefersOthers - whether a stream of this peer is meant for whoever else has mounted the protocol */
  constructor (libp2p: MountableLibp2p, prefersOthers: (peer: string) => boolean) {
    this.#libp2p = libp2p
    this.#prefersOthers = prefersOthers
    this.#handle = libp2p.handle.bind(libp2p)
    this.#unhandle = libp2p.unhandle.bind(libp2p)
    this.#overrides = [
      override(libp2p, 'handle', previous => async (protocols, handler, options = {}) => {
        const [kept, free] = this.#part(protocols)
        kept.forEach(protocol => this.#others.set(protocol, { handler, options: { ...options } }))
        if (free.length > 0) {
          await previous(free, handler, options)
        }
      }),
      override(libp2p, 'unhandle', previous => async (protocols, options) => {
        const [kept, free] = this.#part(protocols)
        kept.forEach(protocol => this.#others.delete(protocol))
        if (free.length > 0) {
          await previous(free, options)
        }
      })
    ]
  }

  /** Whether the handlers of this node can be found and put back */
  static supports (libp2p: MountableLibp2p): boolean {
    return typeof (libp2p as WithRegistrar).components?.registrar?.getHandler === 'function'
  }

  /** Mounts in front of the others; in place before it first waits for anything */
  async handle (protocols: string[], handler: StreamHandler, options: object): Promise<void> {
    const registrar = (this.#libp2p as WithRegistrar).components?.registrar
    const mounted = new Set(this.#libp2p.getProtocols())

    for (const protocol of protocols) {
      const other = mounted.has(protocol) && !this.#own.has(protocol) ? registrar?.getHandler?.(protocol) : undefined

      if (other != null) {
        this.#others.set(protocol, other)
      }
      this.#own.set(protocol, { handler, options: { ...options } })
    }

    this.#overrides.forEach(override => { override.install() })
    await this.#handle(protocols, this.#dispatch, { ...options, force: true })
  }

  /** Puts the others' handlers back; in place before it first waits for anything */
  async unhandle (protocols: string[]): Promise<void> {
    this.#overrides.forEach(override => { override.restore() })
    const work: Array<Promise<void>> = []

    for (const protocol of protocols) {
      const other = this.#others.get(protocol)
      this.#own.delete(protocol)
      this.#others.delete(protocol)
      work.push(other == null ? this.#unhandle([protocol]) : this.#handle([protocol], other.handler, { ...other.options, force: true }))
    }

    await Promise.all(work)
  }

  addEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void {
    this.#libp2p.addEventListener(type, listener)
  }

  removeEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void {
    this.#libp2p.removeEventListener(type, listener)
  }

  readonly #dispatch: StreamHandler = (stream, connection) => {
    const own = this.#own.get(stream.protocol)
    const other = this.#others.get(stream.protocol)
    const chosen = other != null && (own == null || this.#prefersOthers(connection.remotePeer.toString())) ? other : own

    if (chosen == null) {
      stream.abort(new Error(`Nobody handles ${stream.protocol} any more`))
    } else {
      chosen.handler(stream, connection)
    }
  }

  #part (protocols: string | string[]): [kept: string[], free: string[]] {
    const list = Array.isArray(protocols) ? protocols : [protocols]
    return [list.filter(protocol => this.#own.has(protocol)), list.filter(protocol => !this.#own.has(protocol))]
  }
}
