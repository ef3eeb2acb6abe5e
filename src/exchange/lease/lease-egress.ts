import { multiaddr } from '@multiformats/multiaddr'
import { DialDisclosure } from '../../interface/dial-disclosure.ts'
import { FetchError } from '../../interface/errors.ts'
import { printable } from '../http/printable.ts'
import type { CheckedAddress } from './address-guard.ts'
import type { Backoff } from './backoff.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'

/** Milliseconds between the starts of two dials: RFC 8305 recommends 250 */
export const DEFAULT_STAGGER = 250
/** Milliseconds for one address, handshakes included: 99 % of the dials that succeed on the public network do so within 5 s */
export const DEFAULT_ADDRESS_TIMEOUT = 5_000
/** Milliseconds after which whoever gives up has learnt that nobody is there: a lost SYN is sent again after one second */
export const SILENT = 2_000
/** Dials to one IP address at a time: a rack behind one address is reached, and one that a thousand records name is not flooded */
export const MAX_DIALS_PER_HOST = 32

export interface DialContext {
  readonly libp2p: Pick<Libp2p, 'dial' | 'getConnections'>
  readonly clock: Clock
  readonly backoff: Backoff
  /** Dials under way by IP address */
  readonly hosts: Map<string, number>
  readonly stagger: number
  readonly addressTimeout: number
  /** What came of a dial that was about the peer: whether it is there */
  onDialled? (peer: string, address: string, result: { readonly reached: boolean, readonly startedAt: number }): void
}

export interface Dialled {
  readonly connection: Connection
  /** This dial made it; otherwise it was there, or somebody else was about to make it */
  readonly own: boolean
}

/**
 * Dials a peer at its checked addresses, the first at once and the next
 * whenever one fails or has not answered for a moment; the first that answers
 * is taken. Relayed ones wait until no direct one is under way.
 *
 * libp2p puts a second dial to a peer behind the first, so only a dial that is
 * alone names the peer; those beside it do not, and who answered is checked
 * after the handshake. The node's own word on whether the peer may be dialled
 * is waited for before there is a second.
 */
export async function dialPeer (context: DialContext, peer: PeerId, addresses: readonly CheckedAddress[], signal: AbortSignal, disclosure: Disclosure): Promise<Dialled> {
  return new Race(context, peer, addresses, signal, disclosure).result
}

interface Dial {
  readonly address: CheckedAddress
  /** Nobody else dials this peer for us: libp2p is told which one it is */
  readonly alone: boolean
  readonly controller: AbortController
  readonly startedAt: number
  /** Connections from before */
  readonly known: ReadonlySet<string>
  /** Something answered there: from now on a failure says nothing about the address, only about the peer at it */
  answered: boolean
  joined: boolean
}

class Race {
  readonly result: Promise<Dialled>
  readonly #context: DialContext
  readonly #peer: PeerId
  readonly #disclosure: Disclosure
  readonly #signal: AbortSignal
  readonly #waiting: CheckedAddress[]
  readonly #running = new Set<Dial>()
  readonly #failures: string[] = []
  readonly #errors: Error[] = []
  readonly #settle: PromiseWithResolvers<Dialled> = Promise.withResolvers<Dialled>()
  #settled = false
  #admitted = false
  #due = false
  #busy = false
  #cancelStagger: () => void = () => {}

  constructor (context: DialContext, peer: PeerId, addresses: readonly CheckedAddress[], signal: AbortSignal, disclosure: Disclosure) {
    this.#context = context
    this.#peer = peer
    this.#signal = signal
    this.#disclosure = disclosure
    this.#waiting = [...addresses]
    this.result = this.#settle.promise

    if (signal.aborted) {
      this.#onAbort()
    } else {
      signal.addEventListener('abort', this.#onAbort, { once: true })
      this.#advance()
    }
  }

  readonly #onAbort = (): void => {
    this.#end(() => { this.#settle.reject(this.#signal.reason as Error) })
  }

  #end (settle: () => void): void {
    if (this.#settled) {
      return
    }
    this.#settled = true
    this.#cancelStagger()
    this.#signal.removeEventListener('abort', this.#onAbort)
    settle()

    for (const { controller } of this.#running) {
      controller.abort()
    }
  }

  #advance (): void {
    while (!this.#settled) {
      const address = this.#waiting[0]

      if (address == null) {
        if (this.#running.size === 0) {
          this.#fail()
        }
        return
      }

      if (this.#running.size > 0 && (!this.#due || !this.#admitted || address.relayed)) {
        return
      }

      this.#waiting.shift()

      if (this.#enter(address)) {
        this.#launch(address)
      }
    }
  }

  #keys ({ text }: CheckedAddress): readonly [endpoint: string, identity: string] {
    return [text, `${text}/p2p/${this.#peer.toString()}`]
  }

  /** Takes the places at back-off and host that a dial needs, or notes why there are none */
  #enter (address: CheckedAddress): boolean {
    const { backoff, hosts } = this.#context
    const [endpoint, identity] = this.#keys(address)

    if ((hosts.get(address.host) ?? 0) >= MAX_DIALS_PER_HOST) {
      this.#busy = true
      this.#failures.push(`${address.text}: ${MAX_DIALS_PER_HOST} dials to this host are under way`)
      return false
    }

    if (!backoff.enter(endpoint) || !backoff.enter(identity)) {
      const wait = Math.max(backoff.wait(endpoint), backoff.wait(identity))
      backoff.left(endpoint)
      this.#failures.push(`${address.text}: failed before, ${wait === Infinity ? 'and is being tried' : `left alone for ${Math.ceil(wait)} ms`}`)
      return false
    }

    hosts.set(address.host, (hosts.get(address.host) ?? 0) + 1)
    return true
  }

  #launch (address: CheckedAddress): void {
    const { clock, hosts, libp2p, stagger, addressTimeout } = this.#context
    const dial: Dial = {
      address,
      alone: this.#running.size === 0,
      controller: new AbortController(),
      startedAt: clock.now(),
      known: new Set(libp2p.getConnections().map(({ id }) => id)),
      answered: false,
      joined: false
    }
    const cancelTimeout = clock.schedule(addressTimeout, () => {
      dial.controller.abort(new DOMException(`no connection within ${addressTimeout} ms`, 'TimeoutError'))
    })

    this.#running.add(dial)
    this.#due = false
    this.#cancelStagger()
    this.#cancelStagger = clock.schedule(stagger, () => {
      this.#due = true
      this.#advance()
    })

    this.#dial(dial).then(connection => { this.#connected(dial, connection) }, (error: Error) => { this.#failed(dial, error) }).finally(() => {
      cancelTimeout()
      this.#running.delete(dial)
      const count = (hosts.get(address.host) ?? 1) - 1

      if (count > 0) {
        hosts.set(address.host, count)
      } else {
        hosts.delete(address.host)
      }
      this.#advance()
    // nothing in it rejects: a failure of ours is not to be lost all the same
    }).catch((error: Error) => { this.#end(() => { this.#settle.reject(error) }) })
  }

  async #dial (dial: Dial): Promise<Connection> {
    const peer = this.#peer.toString()

    if (this.#disclosure.observer !== `p2p:${peer}`) {
      throw new TypeError(`A disclosure to ${this.#disclosure.observer} is no right to dial p2p:${peer}`)
    }

    const dialled = DialDisclosure.for(this.#disclosure)
    const dialling = this.#context.libp2p.dial(multiaddr(dial.alone || dial.address.relayed ? `${dial.address.text}/p2p/${peer}` : dial.address.text), {
      signal: dial.controller.signal,
      onProgress: event => {
        const { type } = event
        dialled.onProgress(event)
        dial.joined ||= type === 'dial-queue:already-in-dial-queue'
        dial.answered ||= type.startsWith('upgrader:')

        if (type === 'dial-queue:calculated-addresses' && !this.#admitted) {
          this.#admitted = true
          this.#advance()
        }
      }
    })
    dialling.then(() => { dialled.reached() }, (error: Error) => { dialled.failed(!isOwnDoing(error)) })
    return dialling
  }

  #connected (dial: Dial, connection: Connection): void {
    const { backoff } = this.#context
    const [endpoint, identity] = this.#keys(dial.address)
    const fresh = !dial.known.has(connection.id)

    // what is connected is not given up with the others
    this.#running.delete(dial)
    backoff.succeeded(endpoint)

    if (!connection.remotePeer.equals(this.#peer)) {
      backoff.failed(identity)
      this.#tell(dial, false)
      this.#failures.push(`${dial.address.text}: another peer answers there`)
    } else if (connection.limits != null) {
      backoff.left(identity)
      this.#failures.push(`${dial.address.text}: the relay allows a limited connection only, on which no blocks travel`)
    } else if (!this.#settled) {
      backoff.succeeded(identity)
      this.#tell(dial, true)
      this.#end(() => { this.#settle.resolve({ connection, own: fresh && !dial.joined }) })
      return
    } else {
      backoff.succeeded(identity)
    }

    if (fresh && !dial.joined) {
      close(connection)
    }
  }

  #failed (dial: Dial, error: Error): void {
    const { backoff } = this.#context
    const [endpoint, identity] = this.#keys(dial.address)
    const { signal } = dial.controller
    const timeout = signal.aborted && (signal.reason as Error)?.name === 'TimeoutError'

    if (this.#settled || (signal.aborted && !timeout)) {
      const silent = !dial.joined && this.#context.clock.now() - dial.startedAt >= SILENT
      backoff.left(endpoint)
      backoff.left(identity)

      if (silent) {
        // who asks next does not wait for it again
        backoff.failed(dial.answered ? identity : endpoint)
        this.#tell(dial, false)
      }
      return
    }

    this.#errors.push(error)
    const told = timeout ? (signal.reason as Error).message : error.message

    if (!timeout && isOwnDoing(error)) {
      this.#busy ||= error.name === 'DialError'
      backoff.left(endpoint)
      backoff.left(identity)
    } else if (dial.answered) {
      // there is somebody: whoever else is said to be there may well be
      backoff.succeeded(endpoint)
      backoff.failed(identity)
      this.#tell(dial, false)
    } else {
      backoff.failed(endpoint)
      backoff.left(identity)
      this.#tell(dial, false)
    }

    this.#failures.push(`${dial.address.text}: ${printable(told, 160)}`)
  }

  #tell ({ address, startedAt }: Dial, reached: boolean): void {
    this.#context.onDialled?.(this.#peer.toString(), address.text, { reached, startedAt })
  }

  #fail (): void {
    const id = `p2p:${this.#peer.toString()}` as const
    const outcome = this.#busy && this.#errors.every(isOwnDoing) ? 'overloaded' : 'unreachable'

    this.#end(() => {
      this.#settle.reject(new FetchError(outcome, `${id} cannot be reached: ${this.#failures.join('; ')}`, { provider: id, cause: new AggregateError(this.#errors) }))
    })
  }
}

/** Closes a connection of ours that lost the race or leads to somebody else. A peer that does not answer to that is cut off. */
function close (connection: Connection): void {
  if (connection.streams.every(({ protocol }) => isIncidental(protocol))) {
    connection.close().catch((error: Error) => { connection.abort(error) })
  }
}

/** Streams that libp2p opens by itself as soon as there is a connection: they are no reason to keep it */
export function isIncidental (protocol: string | undefined): boolean {
  return protocol == null || protocol === '' || INCIDENTAL.test(protocol)
}

const INCIDENTAL = /\/(id|id\/push|ping|autonat)\/\d|\/libp2p\/(dcutr|autonat)/

/** The node declined to try: it has no transport, its gater forbids it, it is busy, or it stops */
function isOwnDoing ({ name }: Error): boolean {
  return name === 'DialDeniedError' || name === 'NoValidAddressesError' || name === 'DialError' || name === 'NotStartedError' || name === 'TypeError' || name === 'AddressRefusedError'
}
