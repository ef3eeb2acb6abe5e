/**
 * Decides which blocks stay. Pure and synchronous: state in, verdict out; whoever
 * stores the blocks obeys. It knows a block that is here by its *slot*, a small
 * whole number that the caller gives out and uses again after the block is gone,
 * and one that is not here by 32 bits of its key's hash. State is kept in typed
 * arrays by slot: a million blocks must not cost a million objects.
 *
 * A request is either `hit` or `miss`; `insert` counts as none.
 */
export interface EvictionPolicy {
  /** In bytes */
  readonly capacity: number
  readonly used: number
  /** A block that is here was asked for */
  hit (slot: number): void
  /** One that is not here was asked for */
  miss (hash: number): void
  /**
   * A block has come.
   *
   * @returns the slots that have to go, among them perhaps the new one: it is not worth what it would displace
   */
  insert (slot: number, hash: number, size: number): number[]
  /** Gone without the policy having said so: deleted, damaged, no longer to be evicted */
  remove (slot: number): void
  /** @returns the slots that have to go */
  resize (capacity: number): number[]
  /** The share for newcomers, in bytes */
  readonly windowBytes: number
  /** What was learnt, to go on with after a restart; only what `restore` of the same version reads */
  save? (): Uint8Array
  /** Ignores what it does not understand */
  restore? (saved: Uint8Array): void
}
