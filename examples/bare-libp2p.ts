/**
 * Content routing without Helia: on a libp2p node whose content routers say who
 * has what. Here the router is a stand-in that names one HTTP provider by its
 * peer id, as a DHT would.
 *
 *     node examples/bare-libp2p.ts
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { createLibp2p } from 'libp2p'
import { contentRoutingFor } from '../src/index.ts'
import { loopbackProvider, sampleFile } from '../src/testing/index.ts'
import type { ContentRouting } from '@libp2p/interface'

// the network of this example: a gateway with a peer id, and a router that knows it
const file = await sampleFile({ size: 1024 * 1024, chunkSize: 64 * 1024 })
const gateway = await loopbackProvider({ blocks: file.blocks })
const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

const router: Pick<ContentRouting, 'findProviders'> = {
  async * findProviders () {
    yield { id, multiaddrs: [uriToMultiaddr(gateway.url)], routing: 'example' }
  }
}

// a libp2p node: no transports are needed to read over HTTP
const libp2p = await createLibp2p({ contentRouters: [() => router as ContentRouting] })

// content routing over it. Loopback is refused unless it is named.
const routing = contentRoutingFor(libp2p, { allowAddresses: ['127.0.0.0/8'] })
await routing.start()

try {
  let size = 0
  for await (const chunk of routing.retrieveContent(file.root)) {
    size += chunk.byteLength
  }
  console.log(`read ${size} bytes in ${gateway.requests.length} blocks from ${id}\n`)
  console.log(String(routing.explain(file.root)))
} finally {
  await routing.stop()
  await libp2p.stop()
  await gateway.close()
}
