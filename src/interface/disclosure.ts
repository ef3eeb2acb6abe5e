import type { ProviderId } from './provider.ts'

/**
 * - `open`: measure only; takes away nothing the user composed
 * - `balanced`: no adopted brokers unless trusted, wants only to the chosen provider, no announce on fetch
 * - `strict`: as `balanced`, own routers only, no hedging
 */
export type PrivacyMode = 'open' | 'balanced' | 'strict'

/** Who learns something: a provider, a router, or a named party (a DNS resolver, a shared cache) */
export type Observer = ProviderId | `router:${string}` | `party:${string}`

export interface DisclosureInit {
  readonly observer: Observer
  /** What they see of the CID; `peer`: only a peer that is said to have it; `none`: nothing, only that this node is there */
  readonly form: 'cid' | 'multihash' | 'prefix' | 'hostname' | 'peer' | 'none'
  /** How it travels: `http`, `https`, `bitswap`, `dht`, `delegated`, `dns`, `foreign`, … */
  readonly transport: string
  /** `one` named party, `many` parties we can count, `unbounded` where foreign code decides */
  readonly audience: 'one' | 'many' | 'unbounded'
}

export type DisclosureState = 'intended' | 'sent' | 'not-sent' | 'unknown'

/** Where disclosures are recorded. The null ledger forgets; a real one keeps them. */
export interface Ledger {
  /** Called when a disclosure is intended, before any byte is written */
  intended (entry: DisclosureEntry): void
  /** Called once when its state becomes final, and once when it is cancelled on the wire */
  settled (entry: DisclosureEntry): void
}

export interface DisclosureEntry extends DisclosureInit {
  readonly request: string
  readonly purpose: string
  readonly mode: PrivacyMode
  /** Who asked this node, where somebody did */
  readonly client?: string
  readonly key?: string
  /** Wall clock, in ms */
  readonly at: number
  readonly state: DisclosureState
  /** A CANCEL followed on the wire */
  readonly cancelled: boolean
}

/** What a disclosure belongs to */
export interface DisclosureContext {
  readonly request: string
  readonly purpose: string
  /** @default 'open' */
  readonly mode?: PrivacyMode
  readonly client?: string
  readonly key?: string
  /** Wall clock, in ms */
  readonly at: number
}

/**
 * The right to put bytes about a CID on a wire. Only `request.disclose()` makes
 * one; functions in egress files demand it. The private field is the brand: no
 * object literal satisfies this type.
 */
export class Disclosure implements DisclosureEntry {
  readonly #ledger: Ledger
  readonly request: string
  readonly purpose: string
  readonly mode: PrivacyMode
  readonly client?: string
  readonly key?: string
  readonly at: number
  readonly observer: Observer
  readonly form: DisclosureInit['form']
  readonly transport: string
  readonly audience: DisclosureInit['audience']
  state: DisclosureState = 'intended'
  cancelled = false
  /** Of the first ledger that asks for it: where it has this. A map of them all would leave 50 MB of garbage for each million. */
  mark = 0
  marker: Ledger | undefined

  constructor (ledger: Ledger, init: DisclosureInit, context: DisclosureContext) {
    this.#ledger = ledger
    this.request = context.request
    this.purpose = context.purpose
    this.mode = context.mode ?? 'open'
    this.client = context.client
    this.key = context.key
    this.at = context.at
    this.observer = init.observer
    this.form = init.form
    this.transport = init.transport
    this.audience = init.audience
    ledger.intended(this)
  }

  /** The bytes left the process */
  sent (): void {
    this.#settle('sent')
  }

  /** The write never happened */
  notSent (): void {
    this.#settle('not-sent')
  }

  /** The connection broke around the write: they may or may not have seen it */
  unknown (): void {
    this.#settle('unknown')
  }

  /**
   * Another message of the same request: to whoever has to be asked or dialled
   * first (a resolver of names), or to the same party once more.
   */
  also (init: DisclosureInit = this): Disclosure {
    return new Disclosure(this.#ledger, init, this)
  }

  /** A CANCEL for this want left the process */
  cancel (): void {
    if (this.cancelled) {
      return
    }
    this.cancelled = true
    this.#ledger.settled(this)
  }

  #settle (state: DisclosureState): void {
    if (this.state !== 'intended') {
      return
    }
    this.state = state
    this.#ledger.settled(this)
  }
}
