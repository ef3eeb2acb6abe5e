import type { Ledger } from './interface/disclosure.ts'

/** Of caches that were opened without a ledger of their own */
const lent = new WeakMap<object, LentLedger>()

/** Writes nothing down until a node lends its ledger: a cache is opened before the node that it is given to is made */
export class LentLedger implements Ledger {
  #ledger: Ledger | undefined

  /** @param to whoever discloses by this one from now on */
  belongs (to: object): void {
    lent.set(to, this)
  }

  lend (ledger: Ledger): void {
    this.#ledger = ledger
  }

  intended (...args: Parameters<Ledger['intended']>): void {
    this.#ledger?.intended(...args)
  }

  settled (...args: Parameters<Ledger['settled']>): void {
    this.#ledger?.settled(...args)
  }
}

/** What the cache tells others is written down by the node, unless the cache was opened with a ledger of its own */
export function lendLedger (cache: object | undefined, ledger: Ledger): void {
  if (cache != null) {
    lent.get(cache)?.lend(ledger)
  }
}
