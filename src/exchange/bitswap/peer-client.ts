import { FetchError } from '../../interface/errors.ts'
import { Arrivals } from './arrivals.ts'
import { kindOf } from './late-blocks.ts'
import { BITSWAP_PROTOCOLS } from './message.ts'
import { PeerWants } from './peer-wants.ts'
import type { BitswapProtocol, BlockPayload, BlockPrefix, Presence } from './message.ts'
import type { Acceptance, BitswapNetwork, Unfinished } from './network.ts'
import type { WantBatch } from './peer-wants.ts'
import type { Waiter, WantedBlock } from './wanted-block.ts'
import type { BlockVerifier } from '../../block/verify.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Outcome } from '../../interface/outcome.ts'
import type { BlockKey } from '../../interface/provider.ts'
import type { Attempt, Want } from '../../interface/request.ts'
import type { Lease } from '../lease/lease.ts'
import type { Connection } from '@libp2p/interface'

export interface PeerClientComponents {
  readonly network: BitswapNetwork
  readonly verifier: BlockVerifier
  readonly clock: Clock
}

type Failure = Exclude<Outcome, 'delivered'>

/** Whom an answer is for: `bytes` are absent where the peer only said that it has the block */
interface Pending extends Waiter {
  resolve (bytes?: Uint8Array): void
  reject (error: FetchError): void
}

/** Fetches blocks from one peer. Nothing is written to it that was not asked of it. */
export class PeerClient {
  readonly peer: string
  readonly #components: PeerClientComponents
  readonly #wants: PeerWants
  readonly #arrivals: Arrivals
  readonly #stopped = new AbortController()
  /** Of fetches that are over: kept until what is queued has left */
  #lingering: Lease[] = []
  #connection: Connection | undefined
  #pumping: Promise<void> | undefined

  constructor (peer: string, components: PeerClientComponents) {
    this.peer = peer
    this.#components = components
    this.#wants = new PeerWants(components.clock)
    this.#arrivals = new Arrivals(components.clock)
  }

  /** Blocks wanted */
  get size (): number {
    return this.#wants.size
  }

  /** Nothing is going on, and nothing is expected to */
  get idle (): boolean {
    return this.#wants.idle && this.#pumping == null
  }

  /** The lease is taken over: released when nothing more is to be said over it */
  async fetch (want: Want, attempt: Attempt, disclosure: Disclosure, lease: Lease): Promise<Uint8Array> {
    const { signal, request: { priority } } = attempt
    this.#connection = lease.connection

    for (const asker of this.#wants.upgrade(want.key) as Pending[]) {
      asker.reject(this.#error('cancelled', 'is asked for the block itself'))
    }

    try {
      // who waits for a block is given one
      return await this.#wait({ want, disclosure, priority, progress: bytes => { attempt.bytes(bytes) } }, signal) as Uint8Array
    } finally {
      this.#lingering.push(lease)

      if (this.#pumping == null) {
        this.#release()
      }
    }
  }

  /** Is the peer asked for the block already, or about to be told to forget it? */
  knows (key: BlockKey): boolean {
    return this.#wants.knows(key)
  }

  /**
   * Asks whether it has the block: undefined when it says so, the bytes when it
   * sends them at once. Rejects with a FetchError when it has not, or does not answer.
   */
  async ask (want: Want, { signal, request }: Pick<Attempt, 'signal' | 'request'>, disclosure: Disclosure, connection: Connection): Promise<Uint8Array | undefined> {
    this.#connection = connection
    return this.#wait({ want, disclosure, priority: request.priority, asks: true, progress: () => {} }, signal)
  }

  async #wait (init: Waiter, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return new Promise<Uint8Array | undefined>((resolve, reject) => {
      const waiter: Pending = {
        ...init,
        resolve: bytes => {
          signal.removeEventListener('abort', onAbort)
          resolve(bytes)
        },
        reject: error => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        }
      }
      const wanted = this.#wants.join(waiter)
      const onAbort = (): void => {
        this.#wants.leave(wanted, waiter)
        this.#pump()
        reject(this.#error('cancelled', 'was not waited for any longer', signal.reason))
      }

      signal.addEventListener('abort', onAbort, { once: true })
      this.#pump()
    })
  }

  accept (prefix: BlockPrefix, length: number, unfinished: Unfinished): Acceptance {
    const expected = this.#wants.expects(prefix, length, unfinished)

    if (expected === 'no') {
      this.#unsolicited(prefix, `a block of ${length} bytes that it was not asked for`)
    }

    return expected
  }

  finished (unfinished: Unfinished): void {
    this.#wants.finished(unfinished)
  }

  progress (bytes: number): void {
    this.#arrivals.arrived(bytes, this.#wants)
  }

  /** Hashed once: by what comes out it finds those who wait for it */
  block ({ prefix, bytes }: BlockPayload): Promise<void> | void {
    try {
      const key = this.#components.verifier.identify(prefix, bytes)

      if (typeof key === 'string') {
        this.#deliver(key, prefix, bytes)
        return
      }

      return key.then(key => { this.#deliver(key, prefix, bytes) }, (error: unknown) => { this.#unreadable(prefix, error as Error) })
    } catch (error) {
      this.#unreadable(prefix, error as Error)
    }
  }

  presence ({ key, type }: Presence): void {
    // who has it and was asked for it is about to send it
    const wanted = type === 'dont-have' ? this.#wants.notHere(key) : this.#wants.here(key)

    if (wanted == null) {
      return
    }

    this.#arrivals.heard(this.#components.clock.now())

    if (type === 'dont-have') {
      this.#fail([wanted], 'not-here', 'says that it does not have the block')
      this.#pump()
    } else {
      resolve(wanted)
    }
  }

  /** The stream that wants were written to is gone */
  broken (error: Error): void {
    if (this.#connection?.status === 'open' && !this.#stopped.signal.aborted) {
      const lost = this.#wants.rewind()
      this.#fail(lost, 'unreachable', `broke the stream twice: ${error.message.slice(0, 200)}`, error)
      this.#pump()
    } else {
      this.#fail(this.#wants.clear(), 'unreachable', `is no longer connected: ${error.message.slice(0, 200)}`, error)
    }
  }

  /** Fails what is waited for, tells the peer, and is done */
  async stop (): Promise<void> {
    const all = [...this.#wants.all]

    for (const wanted of all) {
      this.#wants.drop(wanted)
    }

    this.#fail(all, 'cancelled', 'is not asked any more: bitswap was stopped')
    this.#pump()
    await this.#pumping
  }

  /** Ends `stop`, however it stands */
  abandon (reason: Error): void {
    this.#stopped.abort(reason)
    this.#wants.clear()
    this.#release()
  }

  #deliver (key: BlockKey, prefix: BlockPrefix, bytes: Uint8Array): void {
    const wanted = this.#wants.deliver(key)

    if (wanted != null) {
      this.#arrivals.heard(this.#components.clock.now())

      resolve(wanted, bytes)
    } else if (!this.#wants.excuse(key)) {
      this.#unsolicited(prefix, `${bytes.byteLength} bytes that are none of the blocks it was asked for`)
    }
  }

  #unreadable (prefix: BlockPrefix, error: Error): void {
    this.#unsolicited(prefix, `a block that cannot be verified: ${error.message}`)
  }

  /** Whichever want it was meant to answer, this one will not be answered: one fails for each such block */
  #unsolicited (prefix: BlockPrefix, what: string): void {
    this.#components.network.fault(this.peer, 'unsolicited', `It sent ${what}`)
    const wanted = this.#wants.oldest(kindOf(prefix))

    if (wanted != null) {
      this.#wants.drop(wanted)
      this.#fail([wanted], 'invalid', `sent ${what}`)
      this.#pump()
    }
  }

  #pump (): void {
    if (this.#pumping == null && this.#wants.pending && !this.#stopped.signal.aborted) {
      this.#pumping = this.#write()
    }
  }

  /** Everything that is wanted within one turn goes into one message, and what is withdrawn within it is never written */
  async #write (): Promise<void> {
    await null

    while (this.#connection != null && this.#wants.pending && !this.#stopped.signal.aborted) {
      try {
        await this.#components.network.write({ peer: this.peer, connection: this.#connection, lane: 'wants' }, protocol => this.#take(protocol), { signal: this.#stopped.signal })
      } catch (error) {
        const { outcome = 'unreachable', message } = error as FetchError
        this.#fail(this.#wants.clear(), outcome, `could not be asked: ${message}`, error)
      }
    }

    this.#pumping = undefined
    this.#release()
  }

  #release (): void {
    const leases = this.#lingering
    this.#lingering = []

    for (const lease of leases) {
      lease.release()
    }
  }

  #take (protocol: BitswapProtocol): WantBatch | undefined {
    if (protocol !== BITSWAP_PROTOCOLS[0]) {
      this.#fail(this.#wants.unspeakable(), 'refused', 'speaks no version in which it could be asked')
    }

    const alone = !this.#wants.asked
    const batch = this.#wants.take()

    if (alone && this.#wants.asked) {
      this.#arrivals.asked()
    }

    return batch
  }

  #fail (list: readonly WantedBlock[], outcome: Failure, why: string, cause?: unknown): void {
    for (const wanted of list) {
      for (const waiter of wanted.waiters as Set<Pending>) {
        waiter.reject(this.#error(outcome, why, cause))
      }
    }
  }

  #error (outcome: Failure, why: string, cause?: unknown): FetchError {
    return new FetchError(outcome, `p2p:${this.peer} ${why}`, { provider: `p2p:${this.peer}`, ...(cause == null ? {} : { cause }) })
  }
}

function resolve ({ waiters }: WantedBlock, bytes?: Uint8Array): void {
  for (const waiter of waiters as Set<Pending>) {
    waiter.resolve(bytes)
  }
}
