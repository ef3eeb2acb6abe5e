/**
 * - `too-large`: more than an answer may have
 * - `truncated`: something ends before it is complete
 * - `varint`: a number is longer than its type allows
 * - `wire-type`: a field is of another type than it should be, or of one that nobody uses
 * - `type`: an answer to something else
 * - `key`: an answer for another key
 */
export type KadMessageFault = 'too-large' | 'truncated' | 'varint' | 'wire-type' | 'type' | 'key'

/** What came is no answer to what was asked; `reason` says in which way */
export class KadMessageError extends Error {
  static override name = 'KadMessageError'
  override name = 'KadMessageError'
  readonly reason: KadMessageFault

  constructor (reason: KadMessageFault, message: string) {
    super(message)
    this.reason = reason
  }
}
