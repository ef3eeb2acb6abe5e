import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { afterEach } from 'vitest'
import { heliaMixin, undiciTransport, withContentRouting } from '../../src/index.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { loopbackRouter } from '../../src/testing/loopback-router.ts'
import type { BlockSource, LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { LoopbackBehaviour, LoopbackFault } from '../../src/testing/loopback-behaviour.ts'
import type { LoopbackRouter, LoopbackRouterInit } from '../../src/testing/loopback-router.ts'
import type { RetrievalStory } from '../../src/routing/story.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { Story } from '../../src/interface/errors.ts'
import type { CID } from 'multiformats/cid'

const open: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

/** A gateway that is closed after the test */
export async function gateway (blocks: BlockSource, behaviour: LoopbackFault | LoopbackBehaviour = 'good', seed = 1): Promise<LoopbackProvider> {
  const provider = await loopbackProvider({ blocks, behaviour, seed })
  open.push(async () => { await provider.close() })
  return provider
}

export interface TestNode {
  readonly helia: ReturnType<typeof withContentRouting<ReturnType<typeof createHeliaLight>>>
  /** What the user gave the node to keep blocks in */
  readonly store: MemoryBlockstore
  readonly router: LoopbackRouter
}

export interface TestNodeInit {
  providers?: LoopbackRouterInit['providers']
  datastore?: MemoryDatastore
  /**
   * Time that moves only when the test moves it: nothing is hedged, given up or
   * looked up again because the machine is slow. For tests that count requests.
   */
  clock?: Clock
}

/** A wrapped node over gateways, as a user composes it, stopped after the test */
export async function wrappedNode (init: TestNodeInit = {}): Promise<TestNode> {
  const store = new MemoryBlockstore()
  const router = loopbackRouter({ providers: init.providers ?? [] })
  const wrap = init.clock == null ? withContentRouting : heliaMixin(undiciTransport, { clock: init.clock })
  const helia = wrap(createHeliaLight({
    blockstore: store,
    datastore: init.datastore ?? new MemoryDatastore(),
    routers: [router]
  }), { allowAddresses: ['127.0.0.0/8'] })
  open.push(async () => { await helia.stop() })
  await helia.start()
  return { helia, store, router }
}

/**
 * A router that names the second gateway only after the first was asked: whatever
 * the dice say, the first one has its chance
 */
export function inTurn (first: LoopbackProvider, second: LoopbackProvider): LoopbackRouterInit['providers'] {
  return async function * () {
    yield first.url
    while (first.requests.length === 0) {
      await new Promise(resolve => setImmediate(resolve))
    }
    yield second.url
  }
}

export async function blockFrom (store: { get (cid: CID, options?: object): Iterable<Uint8Array> | AsyncIterable<Uint8Array> }, cid: CID, options?: object): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(cid, options)) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

export async function bytesFrom (source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** As stories and errors name a gateway */
export function idOf (provider: LoopbackProvider): string {
  return `http:${new URL(provider.url).host}`
}

export function told (story: Story | undefined): RetrievalStory {
  return JSON.parse(JSON.stringify(story)) as RetrievalStory
}

/** The error of a read that must fail */
export async function failure (work: Promise<unknown>): Promise<Error & { errors?: Array<Error & { outcome?: string, provider?: string }>, story?: Story }> {
  return await work.then(
    () => { throw new Error('The read succeeded, it should have failed') },
    (err: Error) => err
  )
}
