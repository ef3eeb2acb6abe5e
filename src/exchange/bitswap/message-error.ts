/**
 * - `length`: a frame's length is no varint of up to four bytes, or is written longer than it must be
 * - `too-large`: more than one message may have
 * - `truncated`: something ends before it is complete
 * - `varint`: a number is longer than its type allows
 * - `wire-type`: a field is of another type than it should be, or of one that nobody uses
 * - `field`: a field that may be there once is there twice, or has the number 0
 * - `cid`: not a CID, or one with a digest that nobody needs
 * - `prefix`: what a block is, is missing or makes no sense
 * - `too-many`: more wants, presences or blocks than one message may have
 */
export type MessageFault = 'length' | 'too-large' | 'truncated' | 'varint' | 'wire-type' | 'field' | 'cid' | 'prefix' | 'too-many'

/** What came is no bitswap message; `reason` says in which way */
export class BitswapMessageError extends Error {
  static override name = 'BitswapMessageError'
  override name = 'BitswapMessageError'
  readonly reason: MessageFault

  constructor (reason: MessageFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
