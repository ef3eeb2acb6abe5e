import type { ConnectedLibp2p } from './discovery/connected-libp2p.ts'
import type { HasContentRouting } from './discovery/libp2p-routing-egress.ts'
import type { ExchangeLibp2p } from './exchange/peer-exchange.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { Metrics } from './interface/metrics.ts'
import type { AddressedLibp2p } from './node-addresses.ts'

/** The part of a libp2p node that content routing is composed from */
export interface RoutableLibp2p extends HasContentRouting, ConnectedLibp2p, ExchangeLibp2p, AddressedLibp2p {
  getConnections: ExchangeLibp2p['getConnections']
  addEventListener: AddressedLibp2p['addEventListener']
  removeEventListener: AddressedLibp2p['removeEventListener']
  readonly peerStore: ExchangeLibp2p['peerStore'] & ConnectedLibp2p['peerStore'] & AddressedLibp2p['peerStore']
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
}
