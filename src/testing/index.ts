/**
 * @packageDocumentation
 *
 * Networks that misbehave as told: simulated ones on a virtual clock, and real
 * gateways on loopback.
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

export type { AddProviderOptions, SimulatedNetworkInit } from './simulated-network.ts'
export type { Behaviour, SimulatedComponents, SimulatedRequest } from './simulated-provider.ts'
export type { BlockSource, LoopbackProvider, LoopbackProviderInit, LoopbackRequest } from './loopback-provider.ts'
export type { LoopbackBehaviour, LoopbackFault } from './loopback-behaviour.ts'
export type { LoopbackRouter, LoopbackRouterInit } from './loopback-router.ts'
export type { SampleFile, SampleFileInit } from './sample-file.ts'
