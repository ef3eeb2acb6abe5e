import { sha256 } from 'multiformats/hashes/sha2'
import { CID } from 'multiformats/cid'
import { blockVerifier } from '../../../src/block/verify.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { nullLedger } from '../../../src/privacy/null-ledger.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { reputationBook } from '../../../src/reputation/book.ts'
import { ReputationKeeper } from '../../../src/reputation/keeper.ts'
import { ContentRoutingManager } from '../../../src/routing/manager.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { contentReader } from '../../../src/unixfs/content-reader.ts'
import type { SimulatedNetworkInit } from '../../../src/testing/simulated-network.ts'
import type { ContentRoutingComponents, ContentRoutingInit } from '../../../src/routing/manager.ts'
import type { BlockVerifier } from '../../../src/block/verify.ts'
import type { ProviderBook } from '../../../src/reputation/book.ts'
import type { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { Datastore } from 'interface-datastore'

export interface World {
  readonly network: SimulatedNetwork
  readonly clock: VirtualClock
  readonly manager: ContentRoutingManager
  readonly book: ProviderBook
  readonly verifier: BlockVerifier
}

export interface WorldInit extends Omit<SimulatedNetworkInit, 'clock'> {
  /** A network that outlives this manager: the other side of a restart */
  network?: SimulatedNetwork
  routing?: ContentRoutingInit
  /** What was learnt is kept here */
  datastore?: Datastore
  parts?: Partial<ContentRoutingComponents>
  /** @default true */
  started?: boolean
}

/** A manager over a simulated network, started; nothing in it is a stand-in but the network and the clock */
export async function world (init: WorldInit = {}): Promise<World> {
  const { seed = 1, datastore, parts = {}, routing = {}, started = true } = init
  const network = init.network ?? new SimulatedNetwork({ seed, lookupDelay: init.lookupDelay, lookupGap: init.lookupGap })
  const { clock } = network
  const random = seededRandom(seed ^ 0xd1ce)
  const book = reputationBook({ clock, random })
  const verifier = parts.verifier ?? blockVerifier()
  const manager = new ContentRoutingManager({
    logger: silentLogger,
    clock,
    random,
    verifier,
    ledger: nullLedger,
    reputation: book,
    keeper: datastore == null ? undefined : new ReputationKeeper({ book, datastore, logger: silentLogger, clock }),
    datastore,
    sources: [network.source],
    fetchers: [network.fetcher],
    reader: contentReader(),
    parseHint: (hint, source) => toProvider(hint, { source }),
    ...parts
  }, routing)

  if (started) {
    await manager.start()
  }

  return { network, clock, manager, book, verifier }
}

/** Distinct bytes for every number */
export function numbered (n: number, length = 1_024): Uint8Array {
  const bytes = new Uint8Array(length)
  new DataView(bytes.buffer).setUint32(0, n)
  return bytes
}

/** A raw CID whose block nobody was given */
export function unpublished (n: number): CID {
  const digest = sha256.digest(numbered(n, 64))

  if (digest instanceof Promise) {
    throw new TypeError('sha2-256 is synchronous here')
  }

  return CID.createV1(0x55, digest)
}

export type Settled<T> = { readonly value: T, readonly error?: undefined } | { readonly value?: undefined, readonly error: Error & { story?: unknown, errors?: readonly Error[] } }

/** How a promise ended; never rejects, so that it can be watched later */
export async function settled<T> (promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise }
  } catch (err) {
    return { error: err as Error }
  }
}
