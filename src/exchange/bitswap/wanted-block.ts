import { kindOf } from './late-blocks.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { BlockKey } from '../../interface/provider.ts'
import type { Want } from '../../interface/request.ts'
import type { CID } from 'multiformats/cid'

/** Somebody who waits for a block from this peer */
export interface Waiter {
  readonly want: Want
  readonly disclosure: Disclosure
  readonly priority: number
  /** It only asks whether the peer has the block. @default false */
  readonly asks?: boolean
  /** Bytes that came on its behalf, as far as that can be told */
  progress (bytes: number): void
}

/** One block wanted from one peer, by however many */
export interface WantedBlock {
  readonly key: BlockKey
  readonly cid: CID
  readonly kind: string
  /** `have`: the peer is only asked whether it has it, and may send a small block at once */
  type: 'block' | 'have'
  readonly waiters: Set<Waiter>
  /** Of everybody on whose behalf the peer was told */
  readonly told: Disclosure[]
  /** When it was written last; undefined while it may still be withdrawn unseen */
  flushedAt?: number
  /** Lines written about it that the peer was not told to forget */
  lines: number
  /** Written once more, after the stream broke */
  again: boolean
  /** Answers of this peer after which it is no longer believed that others are served first */
  believedUntil: number
}

/** On behalf of the first who waits for it; `before` is what the peer was told of it when it was wanted last */
export function wantedBlock (waiter: Waiter, before?: { readonly told: readonly Disclosure[], readonly lines: number }): WantedBlock {
  const { key, cid } = waiter.want

  return {
    key,
    cid,
    kind: kindOf({ hash: cid.multihash.code, digestLength: cid.multihash.digest.byteLength }),
    type: waiter.asks === true ? 'have' : 'block',
    waiters: new Set([waiter]),
    told: [...before?.told ?? []],
    lines: before?.lines ?? 0,
    again: false,
    believedUntil: 0
  }
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

/** The peer has answered: whatever was written about it has arrived */
export function heard ({ told }: WantedBlock): void {
  told.forEach(disclosure => { disclosure.sent() })
}

/** Those that were handed to be written are settled by whoever writes: they may be on their way just now */
export function withdrawn ({ waiters, told }: WantedBlock, leaving: Iterable<Waiter> = waiters): void {
  for (const { disclosure } of leaving) {
    if (!told.includes(disclosure)) {
      disclosure.notSent()
    }
  }
}
