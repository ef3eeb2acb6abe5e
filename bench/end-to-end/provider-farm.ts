/**
 * Runs in a worker thread, so that a bench that measures its own heap does not
 * count the servers: `workerData.count` providers of one block.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'

export interface FarmInit {
  readonly count: number
  readonly key: string
  readonly bytes: Uint8Array
}

const { count, key, bytes } = workerData as FarmInit
const blocks = new Map([[key, bytes]])
const providers = await Promise.all(Array.from({ length: count }, async () => await loopbackProvider({ blocks })))
parentPort?.postMessage(providers.map(provider => provider.url))
