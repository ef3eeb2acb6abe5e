import { join } from 'node:path'
import { withLibp2pLight } from '@helia/libp2p'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { createHeliaLight } from 'helia'
import { blockVerifier } from '../../../src/block/verify.ts'
import { redisTier } from '../../../src/cache/shared/redis-tier.ts'
import { systemRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { heliaMixin } from '../../../src/compose.ts'
import { announceInit } from '../../../src/config/announce-option.ts'
import { contentRoutingOptions } from '../../../src/config/content-routing-options.ts'
import { IDENTITY_FILE } from '../../../src/config/identity.ts'
import { libp2pOptions } from '../../../src/config/libp2p-options.ts'
import { writePrivateFile } from '../../../src/config/private-file.ts'
import { directoryStore } from '../../../src/config/store.ts'
import { LookupBatches } from '../../../src/discovery/lookup-batches.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { switchesOf } from '../../../src/interface/privacy-preset.ts'
import { createPortolan } from '../../../src/portolan.ts'
import { unroutedRequests } from '../../../src/unrouted-requests.ts'
import type { RedisTierInit } from '../../../src/cache/shared/redis-options.ts'
import type { ContentRoutingOptions } from '../../../src/config/content-routing-options.ts'
import type { EnhancedDHTDiscovery } from '../../../src/discovery/enhanced-dht-discovery.ts'
import type { HeliaContentRouting } from '../../../src/helia/helia-routing.ts'
import type { Clock, Random } from '../../../src/interface/clock.ts'
import type { Ledger } from '../../../src/interface/disclosure.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { Libp2p, PrivateKey } from '@libp2p/interface'

const LISTEN = ['/ip4/127.0.0.1/tcp/0']

export interface SpiedInit extends Omit<ContentRoutingOptions, 'ledger' | 'enabled' | 'trustedBrokers' | 'bitswap'> {
  readonly ledger: Ledger
  readonly directory: string
  readonly privateKey: PrivateKey
  /** Of the spied node. @default the machine's */
  readonly clock?: Clock
  readonly random?: Random
  readonly bootstrap?: readonly string[]
  readonly dhtProtocol?: string
  readonly redis?: RedisTierInit
  readonly resolve: (name: string) => Promise<ReadonlyArray<{ address: string, family: number }>>
  readonly resolveText: (name: string) => Promise<readonly string[]>
}

/** As a user has it: whoever answers for names is then the machine's resolver, which is no spy */
export async function realPortolan ({ ledger, directory, privateKey, clock, random, bootstrap, dhtProtocol, redis, resolve, resolveText, ...routing }: SpiedInit): Promise<SpiedNode> {
  await writePrivateFile(join(directory, IDENTITY_FILE), `${Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64')}\n`)
  return createPortolan({ ...routing, ledger, store: directory, listen: LISTEN, bootstrap, dhtProtocol, ...redis == null ? {} : { sharedCache: redisTier(redis) } })
}

export interface SpiedNode {
  readonly helia: Helia
  readonly libp2p: Libp2p
  readonly contentRouting: HeliaContentRouting
  stop (): Promise<void>
}

/** As `createPortolan` puts a node together, with a resolver that is a spy */
export async function spiedPortolan ({ ledger, directory, privateKey, clock = systemClock, random = systemRandom, bootstrap, dhtProtocol, redis, resolve, resolveText, ...routing }: SpiedInit): Promise<SpiedNode> {
  const { mode = 'balanced' } = routing
  const verifier = blockVerifier()
  const requests = unroutedRequests({ clock, ledger }, mode, 'announce')
  const storage = directoryStore(directory, {
    verifier,
    ...redis == null ? {} : { shared: redisTier(redis) },
    request: unroutedRequests({ clock, ledger }, mode, 'cache')
  })
  const { policy } = contentRoutingOptions({ ...routing, mode })
  const switches = switchesOf(mode, routing.privacy)
  const batches = new LookupBatches({ clock, random }, switches)
  const options = libp2pOptions({ listen: LISTEN, bootstrap, dhtProtocol }, {
    policy,
    ledger,
    clock,
    mode,
    switches,
    batches,
    resolve,
    resolveText,
    announce: { ...announceInit({ serve: routing.serve, listen: LISTEN, bootstrap, store: directory }, () => helia), request: cid => requests(cid, 'announce'), has: async (cid, options) => storage.blockstore.has(cid, options) }
  })
  const discovery = (): EnhancedDHTDiscovery | undefined => helia.status === 'started' ? helia.libp2p.services.discovery as unknown as EnhancedDHTDiscovery | undefined : undefined
  const mixin = heliaMixin(({ policy, clock }) => undiciTransport({ policy, clock, resolve }), { verifier, ledger, clock, random, names: { resolve, resolveText, pinned: true }, discovery, batches })
  const light = createHeliaLight({ blockstore: storage.blockstore, datastore: storage.datastore, hashers: verifier.hashers() })
  const helia = mixin(withLibp2pLight(light, Object.assign(options, { privateKey })), { ...routing, mode }) as unknown as HeliaWithLibp2p & { contentRouting: HeliaContentRouting }
  await storage.open()
  await helia.start()

  return {
    helia,
    libp2p: helia.libp2p,
    contentRouting: helia.contentRouting,
    async stop () {
      await helia.stop()
      await storage.close()
    }
  }
}
