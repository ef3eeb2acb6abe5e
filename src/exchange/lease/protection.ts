import { raceSignal } from '../../clock/race-signal.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { Libp2p, PeerId } from '@libp2p/interface'

/** The name of the tag in libp2p's peer store */
export const LEASE_TAG = 'portolan-lease'
/** The highest that there is: libp2p prunes the peers with the lowest sum of tags first, and kad-dht's and bootstrap's have 50 at most */
const TAG_VALUE = 100
/** Milliseconds after which a tag is void: the store may outlive a crash, the lease does not */
const TAG_LIFE = 600_000
/** Milliseconds for the peer store, which may be on a disk */
const STORE_TIMEOUT = 1_000

/** Keeps libp2p from pruning the connections of a peer: by a tag in the peer store, which is all that its pruner goes by besides open streams */
export class Protection {
  readonly #peerStore: () => Pick<Libp2p['peerStore'], 'merge'>
  readonly #clock: Clock
  readonly #log: Logger
  /** One after the other for each peer: a tag that is taken away must not be overtaken by its being set */
  readonly #turns = new Map<string, Promise<void>>()

  constructor (peerStore: () => Pick<Libp2p['peerStore'], 'merge'>, clock: Clock, log: Logger) {
    this.#peerStore = peerStore
    this.#clock = clock
    this.#log = log
  }

  /** How often a tag must be set again to stay */
  static readonly RENEWAL = TAG_LIFE / 3

  /** Resolves when it is done or took too long; never rejects: a store that fails costs the protection and nothing else */
  async protect (peer: PeerId): Promise<void> {
    return this.#tag(peer, { value: TAG_VALUE, ttl: TAG_LIFE })
  }

  async release (peer: PeerId): Promise<void> {
    return this.#tag(peer, undefined)
  }

  async #tag (peer: PeerId, tag: { value: number, ttl: number } | undefined): Promise<void> {
    const key = peer.toString()
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(async () => {
      using timeout = this.#clock.timeout(STORE_TIMEOUT)

      try {
        await raceSignal(this.#peerStore().merge(peer, { tags: { [LEASE_TAG]: tag } }, { signal: timeout.signal }), timeout.signal)
      } catch (error) {
        this.#log('the peer store did not take the tag of %s - %e', key, error)
      }
    }).finally(() => {
      if (this.#turns.get(key) === turn) {
        this.#turns.delete(key)
      }
    })

    this.#turns.set(key, turn)
    return turn
  }
}
