/**
 * Runs in a worker thread: gateways that share neither the event loop nor the
 * heap with the node that a bench times or weighs. Use it through `startFarm`.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { FarmInit } from './farm.ts'

const { blocks, gateways, seed, cars } = workerData as FarmInit
const providers = await Promise.all(gateways.map(async (behaviour, i) => await loopbackProvider({ blocks, behaviour, cars, seed: seed * 1000 + i })))

parentPort?.on('message', () => {
  parentPort?.postMessage(providers.map(provider => provider.requests.length))
})
parentPort?.postMessage(providers.map(provider => provider.url))
