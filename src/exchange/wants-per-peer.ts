/**
 * Wants that one peer remembers of another: boxo and Helia drop what is beyond,
 * so more are not sent, and nobody who behaves towards them is cut short here.
 * What goes with one want (a lease, a block that may come late) has the same limit.
 */
export const WANTS_PER_PEER = 1_024
