/** Milliseconds: kad-dht and Kubo remove a record that was not announced again for so long, and what it says is worth no more than it */
export const RECORD_LASTING = 172_800_000

/** Milliseconds for which the address of a relay is worth something: a reservation lasts an hour and is renewed once */
export const RELAYED_LASTING = 7_200_000
