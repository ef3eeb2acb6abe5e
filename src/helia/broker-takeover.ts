import { toldProviders } from '../provider/told-providers.ts'
import { override } from '../provider/override.ts'
import type { HeliaSeams } from './seams.ts'
import type { BlockBroker, Blocks, CreateSessionOptions, Helia, Provider, SessionBlockstore } from '@helia/interface'
import type { CID } from 'multiformats/cid'

type FindProviders = Helia['routing']['findProviders']

/** Answers those who look up through `helia.routing`, in the place of the node's routers */
export interface LookupsTakeover {
  /** The node's lookups are answered here from now on; `original` is what answered them */
  take (original: FindProviders): void
  release (): void
  /** Undefined for one that goes on to the original */
  find (...args: Parameters<FindProviders>): ReturnType<FindProviders> | undefined
}

export interface BrokerTakeoverInit {
  /** The one broker the node has while taken over */
  readonly broker: BlockBroker
  createSession (root: CID, options?: CreateSessionOptions): SessionBlockstore
  /** The brokers the node would have had by itself, in its order; called whenever they change */
  adopted (brokers: readonly BlockBroker[]): void
  readonly lookups?: LookupsTakeover
}

/**
 * Makes one broker the node's only one, and gives everything back. Helia races
 * its brokers, so a broker beside others would be bypassed. The list is changed
 * in place because the node's storage holds the same array.
 */
export class BrokerTakeover {
  readonly #seams: HeliaSeams
  readonly #init: BrokerTakeoverInit
  readonly #overrides
  #createSession?: Blocks['createSession']
  #findProviders?: FindProviders
  readonly #blockstore: Blocks
  #adopted: BlockBroker[] = []
  #active = false
  #epoch = 0

  constructor (helia: Helia, seams: HeliaSeams, init: BrokerTakeoverInit) {
    this.#seams = seams
    this.#init = init
    this.#blockstore = helia.blockstore

    this.#overrides = [
      override(helia, 'addBlockBroker', previous => broker => {
        // Helia resolves factories with components that only it has, so it adds the broker and we take it from there
        previous(broker)
        this.reconcile()
      }),
      override(helia, 'hasBlockBroker', previous => name => {
        return previous(name) || (this.#active && this.#adopted.some(broker => broker.name === name))
      }),
      override(helia.blockstore, 'createSession', previous => {
        this.#createSession = previous
        return (root, options) => this.#active ? init.createSession(root, options) : previous(root, options)
      }),
      override(helia.routing, 'findProviders', previous => {
        this.#findProviders = previous
        return (cid, options) => {
          const told = toldProviders(options)
          if (told != null) {
            return (async function * () { yield * told as unknown as Provider[] })()
          }
          return (this.#active ? init.lookups?.find(cid, options) : undefined) ?? previous(cid, options)
        }
      })
    ]
  }

  get active (): boolean {
    return this.#active
  }

  /** Changes with every take and release: what was bound to one side then must bind anew */
  get epoch (): number {
    return this.#epoch
  }

  get adopted (): readonly BlockBroker[] {
    return this.#adopted
  }

  take (): void {
    if (this.#active) {
      return
    }
    this.#active = true
    this.#epoch++
    this.#overrides.forEach(override => { override.install() })
    if (this.#findProviders != null) {
      this.#init.lookups?.take(this.#findProviders)
    }
    this.#adopted = this.#seams.brokers.filter(broker => broker !== this.#init.broker)
    this.#list([this.#init.broker])
    this.#init.adopted(this.#adopted)
  }

  release (): void {
    if (!this.#active) {
      return
    }
    this.reconcile()
    this.#active = false
    this.#epoch++
    this.#init.lookups?.release()
    this.#overrides.forEach(override => { override.restore() })
    this.#list(this.#adopted)
  }

  /** Adopts whatever is in the list beside our broker: also what was put there behind Helia's back */
  reconcile (): void {
    const { brokers } = this.#seams
    const { broker: own } = this.#init

    if (!this.#active || (brokers.length === 1 && brokers[0] === own)) {
      return
    }
    const late = brokers.filter(broker => broker !== own && !this.#adopted.includes(broker))
    this.#adopted = [...this.#adopted, ...late]
    this.#list([own])

    if (late.length > 0) {
      this.#init.adopted(this.#adopted)
    }
  }

  /** A session as the node would have made it by itself */
  nativeSession (root: CID, options?: CreateSessionOptions): SessionBlockstore {
    if (!this.#active) {
      return this.#blockstore.createSession(root, options)
    }
    // createSession is synchronous: nobody sees the list while it is as it was
    this.#list(this.#adopted)
    try {
      return (this.#createSession ?? this.#blockstore.createSession)(root, options)
    } finally {
      this.#list([this.#init.broker])
    }
  }

  #list (brokers: readonly BlockBroker[]): void {
    this.#seams.brokers.splice(0, this.#seams.brokers.length, ...brokers)
  }
}
