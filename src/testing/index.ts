/**
 * @packageDocumentation
 *
 * Networks that misbehave as told: simulated ones on a virtual clock, real
 * gateways on loopback, and real libp2p nodes with delays in memory.
 *
 * @example
 *
 * ```ts
 * import { SimulatedNetwork } from 'portolan/testing'
 *
 * const network = new SimulatedNetwork({ seed: 7 })
 * network.add('fast', { latency: 20 })
 * network.add('silent', { silent: true })
 * console.log(network.providers.size)
 * ```
 */
export { VirtualClock } from './virtual-clock.ts'
export { SimulatedNetwork } from './simulated-network.ts'
export { SimulatedProvider } from './simulated-provider.ts'
export { loopbackProvider } from './loopback-provider.ts'
export { gatewayProvider, loopbackRouter } from './loopback-router.ts'
export { sampleFile } from './sample-file.ts'
export { silentLogger } from './silent-logger.ts'
export { MemoryNetwork } from './memory/memory-network.ts'
export { SyntheticTraffic } from './traffic/synthetic-traffic.ts'
export { DhtNetwork, dhtNetwork } from './dht/dht-network.ts'

export type { AddProviderOptions, SimulatedNetworkInit } from './simulated-network.ts'
export type { Behaviour, SimulatedComponents, SimulatedRequest } from './simulated-provider.ts'
export type { BlockSource, LoopbackProvider, LoopbackProviderInit, LoopbackRequest } from './loopback-provider.ts'
export type { LoopbackBehaviour, LoopbackFault } from './loopback-behaviour.ts'
export type { LoopbackRouter, LoopbackRouterInit } from './loopback-router.ts'
export type { SampleFile, SampleFileInit } from './sample-file.ts'
export type { MemoryNetworkInit, MemoryTransportOptions } from './memory/memory-network.ts'
export type { NodeMode } from './memory/memory-node.ts'
export type { NodeTraffic, ObservedMessage, Sent } from './memory/traffic.ts'
export type { SyntheticTrafficInit, TrafficFlow, TrafficLabels } from './traffic/synthetic-traffic.ts'
export type { BurstModel, CorrelatedModel, IndependentModel, PeriodicModel } from './traffic/processes.ts'
export type { AddDhtNodeOptions, DhtNetworkInit } from './dht/dht-network.ts'
export type { DhtIdentity } from './dht/dht-identity.ts'
export type { DhtKadOptions, DhtLibp2pOptions, DhtNode, DhtServices } from './dht/dht-node.ts'
