import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { LoopbackBehaviour } from '../../src/testing/loopback-behaviour.ts'

export interface FarmInit {
  readonly blocks: ReadonlyMap<string, Uint8Array>
  readonly gateways: readonly LoopbackBehaviour[]
  readonly seed: number
  /** Also serve whole DAGs as CARs. @default false */
  readonly cars?: boolean
}

/** Gateways in a thread of their own */
export interface Farm {
  readonly urls: readonly string[]
  /** Requests that each gateway saw so far */
  requests (): Promise<number[]>
  close (): Promise<void>
}

export async function startFarm (init: FarmInit): Promise<Farm> {
  const worker = new Worker(new URL('./provider-farm.ts', import.meta.url), { workerData: init })
  const [urls] = await once(worker, 'message') as [string[]]

  return {
    urls,
    async requests () {
      worker.postMessage('requests')
      const [counts] = await once(worker, 'message') as [number[]]
      return counts
    },
    async close () {
      await worker.terminate()
    }
  }
}
