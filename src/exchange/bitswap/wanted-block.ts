import type { Disclosure } from '../../interface/disclosure.ts'
import type { BlockKey } from '../../interface/provider.ts'
import type { Want } from '../../interface/request.ts'
import type { CID } from 'multiformats/cid'

/** Somebody who waits for a block from this peer */
export interface Waiter {
  readonly want: Want
  readonly disclosure: Disclosure
  readonly priority: number
  /** Bytes that came on its behalf, as far as that can be told */
  progress (bytes: number): void
}

/** One block wanted from one peer, by however many */
export interface WantedBlock {
  readonly key: BlockKey
  readonly cid: CID
  readonly kind: string
  readonly waiters: Set<Waiter>
  /** Of everybody on whose behalf the peer was told */
  readonly told: Disclosure[]
  /** When it was written last; undefined while it may still be withdrawn unseen */
  flushedAt?: number
  /** Written once more, after the stream broke */
  again: boolean
  /** Answers of this peer after which it is no longer believed that others are served first */
  believedUntil: number
}

/** Does anybody of them take a block of that size? */
export function fits (waiters: Iterable<Waiter>, length: number): boolean {
  for (const { want } of waiters) {
    if (length <= want.maxBytes) {
      return true
    }
  }

  return false
}

/** Whoever joins what is on the wire is told about too, though not a byte more is written */
export function tell (wanted: WantedBlock, { disclosure }: Waiter): void {
  wanted.told.push(disclosure)
  disclosure.sent()
}

/** Changes nothing about those that were written */
export function withdrawn ({ waiters }: WantedBlock): void {
  for (const { disclosure } of waiters) {
    disclosure.notSent()
  }
}
