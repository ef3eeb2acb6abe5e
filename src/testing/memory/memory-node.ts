import type { MemoryConnection } from './memory-connection.ts'
import type { PeerId, Upgrader } from '@libp2p/interface'

/**
 * What a node does to others: `live` answers; `gone` left without a word (dials to it hang until their signal ends,
 * connections deliver nothing more); `mute` hangs (it accepts connections and streams, and never says anything);
 * `refused` ended (its connections are reset, dials to it fail after a round trip).
 */
export type NodeMode = 'live' | 'gone' | 'mute' | 'refused'

/** Accepts what is dialled at one address */
export interface MemoryDoor {
  readonly node: MemoryNode
  readonly upgrader: Upgrader
  readonly signal: AbortSignal
}

/** What the network knows of a node */
export class MemoryNode {
  readonly peerId: PeerId
  readonly id: string
  /** Where it is: what decides its delays */
  readonly position: string
  /** What others see that it dials from */
  address: string
  mode: NodeMode = 'live'
  readonly ways = new Set<MemoryConnection>()

  constructor (peerId: PeerId, position = peerId.toString()) {
    this.peerId = peerId
    this.id = peerId.toString()
    this.position = position
    this.address = `/memory/${this.id}`
  }
}
