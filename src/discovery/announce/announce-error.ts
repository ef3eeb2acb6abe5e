import type { CID } from 'multiformats/cid'

/** Nothing was announced, and nobody was told anything */
export class AnnounceRefusedError extends Error {
  static override name = 'AnnounceRefusedError'
  override name = 'AnnounceRefusedError'
  /**
   * - `serves-nobody`: whoever came for a block would get none
   * - `no-address`: nobody could come, and records without an address are not kept
   * - `no-peers`: nobody in the DHT is known yet
   */
  readonly reason: 'serves-nobody' | 'no-address' | 'no-peers'

  constructor (reason: AnnounceRefusedError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** Whoever is told of a block must be able to get it */
export function servesNobody (): AnnounceRefusedError {
  return new AnnounceRefusedError('serves-nobody', 'This node serves nobody, so that whoever found it would get nothing: say who is served (serve) before anything is announced')
}

/** Of one block nobody in the DHT took a record */
export class NoHolderError extends Error {
  static override name = 'NoHolderError'
  override name = 'NoHolderError'
  readonly cid: CID

  constructor (cid: CID, cause?: Error) {
    super(`Could not announce ${cid}: ${cause?.message ?? 'no peer of the DHT took the record'}`, { cause })
    this.cid = cid
  }
}
