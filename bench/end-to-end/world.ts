import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { withContentRouting } from '../../src/index.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { loopbackRouter } from '../../src/testing/loopback-router.ts'
import type { BlockSource, LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { LoopbackBehaviour, LoopbackFault } from '../../src/testing/loopback-behaviour.ts'
import type { LoopbackRouter, LoopbackRouterInit } from '../../src/testing/loopback-router.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Helia } from '@helia/interface'
import type { CID } from 'multiformats/cid'

export { median } from './median.ts'

export type Side = 'plain' | 'wrapped'

/** One Helia node and the gateways that its router names, in this order */
export interface World {
  readonly helia: Helia
  readonly gateways: readonly LoopbackProvider[]
  readonly router: LoopbackRouter
  /** Requests over all gateways so far */
  requests (): number
  close (): Promise<void>
}

export interface WorldInit {
  side: Side
  seed: number
  blocks: BlockSource
  gateways: ReadonlyArray<LoopbackFault | LoopbackBehaviour>
  /** @default all gateways, in order */
  router?: LoopbackRouterInit['providers']
}

/**
 * The same node for both sides: the gateway broker allowed onto loopback, one
 * router. The wrapped one gets one line more, and may use loopback too.
 */
export async function world (init: WorldInit): Promise<World> {
  const gateways = await Promise.all(init.gateways.map(async (behaviour, i) => {
    return await loopbackProvider({ blocks: init.blocks, behaviour, seed: init.seed * 1000 + i })
  }))
  const router = loopbackRouter({ providers: init.router ?? gateways })
  const composed = createHeliaLight({
    routers: [router],
    blockBrokers: [trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })]
  })
  const helia: Helia = init.side === 'plain' ? composed : withContentRouting(composed, { allowAddresses: ['127.0.0.0/8'] })
  await helia.start()

  return {
    helia,
    gateways,
    router,
    requests: () => gateways.reduce((sum, gateway) => sum + gateway.requests.length, 0),
    async close () {
      await helia.stop()
      await Promise.all(gateways.map(async gateway => { await gateway.close() }))
    }
  }
}

/** How one read went. `timeout`: cut off by the bench; a plain node may wait for ever. */
export interface Trial<T = unknown> {
  readonly outcome: 'ok' | 'fails' | 'timeout'
  readonly ms: number
  readonly value?: T
  readonly error?: string
}

export async function trial<T> (deadline: number, work: (signal: AbortSignal) => Promise<T>): Promise<Trial<T>> {
  const controller = new AbortController()
  const start = performance.now()
  let timer: NodeJS.Timeout | undefined
  // raced, because a broker that ignores its signal leaves the read pending
  const cut = new Promise<Trial<T>>(resolve => {
    timer = setTimeout(() => {
      resolve({ outcome: 'timeout', ms: performance.now() - start })
      controller.abort(new DOMException(`The bench waited ${deadline} ms`, 'TimeoutError'))
    }, deadline)
  })
  const run = work(controller.signal).then(
    (value): Trial<T> => ({ outcome: 'ok', ms: performance.now() - start, value }),
    (err: unknown): Trial<T> => ({ outcome: 'fails', ms: performance.now() - start, error: err instanceof Error ? `${err.name}: ${err.message}` : String(err) })
  )

  try {
    return await Promise.race([run, cut])
  } finally {
    clearTimeout(timer)
  }
}

/** One block through the node */
export async function getBlock (store: Pick<Helia['blockstore'], 'get'>, cid: CID, signal?: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(cid, { signal })) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** A whole file through `@helia/unixfs`; throws when a byte differs from what was stored */
export async function readFile (helia: Helia, file: SampleFile, init: { session: boolean, signal: AbortSignal }): Promise<void> {
  const session = init.session ? helia.blockstore.createSession(file.root, { signal: init.signal }) : undefined
  const fs = unixfs({ ...helia, blockstore: session ?? helia.blockstore } as Parameters<typeof unixfs>[0])
  let at = 0

  try {
    for await (const chunk of fs.cat(file.root, { signal: init.signal })) {
      if (Buffer.compare(chunk, file.bytes.subarray(at, at + chunk.byteLength)) !== 0) {
        throw new Error(`Wrong bytes at ${at}`)
      }
      at += chunk.byteLength
    }
    if (at !== file.bytes.byteLength) {
      throw new Error(`Got ${at} of ${file.bytes.byteLength} bytes`)
    }
  } finally {
    session?.close()
  }
}
