import { MAX_SESSION_HINTS } from '../routing/session.ts'
import type { ReadOptions } from './read-options.ts'
import type { SessionHost } from './session-store.ts'
import type { Logger } from '../interface/logger.ts'
import type { Blocks, CreateSessionOptions, SessionBlockstore } from '@helia/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'

type Peer = CID | Multiaddr | Multiaddr[]

interface Binding {
  readonly epoch: number
  /** Absent when the node's brokers know no sessions */
  readonly session?: SessionBlockstore
  readers: number
}

/**
 * The session that the node itself would have given out: made when it is first
 * read, made anew when its brokers have changed. Reads finish on the one they
 * started on.
 */
export class NativeSession {
  readonly #components: { log: Logger, host: SessionHost, networked: Blocks }
  readonly #root: CID
  readonly #options: CreateSessionOptions
  readonly #peers: Peer[] = []
  #binding?: Binding
  #closed = false

  constructor (components: { log: Logger, host: SessionHost, networked: Blocks }, root: CID, options: CreateSessionOptions) {
    this.#components = components
    this.#root = root
    this.#options = options
  }

  async * get (cid: CID, options: ReadOptions): AsyncGenerator<Uint8Array> {
    const binding = this.#bind()
    const offline = this.#options.offline === true || options.offline === true
    binding.readers++

    try {
      if (binding.session != null) {
        yield * binding.session.get(cid, { ...options, offline })
      } else {
        // a session that was open before must go on, even where the node could not have opened it
        const read: ReadOptions = { ...options, offline, contentRouting: false }
        yield * this.#components.networked.get(cid, read)
      }
    } finally {
      binding.readers--
      this.#closeIfRetired(binding)
    }
  }

  async addPeer (peer: Peer, options: { signal?: AbortSignal }): Promise<void> {
    if (this.#peers.length < MAX_SESSION_HINTS) {
      this.#peers.push(peer)
    }
    await this.#binding?.session?.addPeer(peer, options)
  }

  close (): void {
    this.#closed = true
    const binding = this.#binding
    this.#binding = undefined
    binding?.session?.close()
  }

  #bind (): Binding {
    const { host } = this.#components
    const current = this.#binding
    if (current != null && current.epoch === host.epoch) {
      return current
    }

    const binding = { epoch: host.epoch, session: this.#create(), readers: 0 }
    this.#binding = binding
    if (current != null) {
      this.#closeIfRetired(current)
    }
    return binding
  }

  #create (): SessionBlockstore | undefined {
    const { host, log } = this.#components
    let session: SessionBlockstore

    try {
      session = host.nativeSession(this.#root, this.#options)
    } catch (err) {
      log('the node has no session of its own for %c, reading without one - %e', this.#root, err)
      return undefined
    }
    for (const peer of this.#peers) {
      void session.addPeer(peer).catch((err: unknown) => { log.error('could not add a peer to the session for %c - %e', this.#root, err) })
    }
    return session
  }

  #closeIfRetired (binding: Binding): void {
    if (binding.readers === 0 && (this.#closed || binding !== this.#binding)) {
      binding.session?.close()
    }
  }
}
