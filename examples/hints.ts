/**
 * You know who has it: say so. A hint is a URL, a multiaddr or a peer id, and is
 * asked before any router. It works on every way of reading.
 *
 *     node examples/hints.ts
 */
import { unixfs } from '@helia/unixfs'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { createHeliaLight } from 'helia'
import { withContentRouting } from '../src/index.ts'
import { loopbackProvider, sampleFile } from '../src/testing/index.ts'

// the network of this example: one gateway, and no router that knows it
const file = await sampleFile({ size: 1024 * 1024, chunkSize: 64 * 1024 })
const gateway = await loopbackProvider({ blocks: file.blocks })

const helia = await withContentRouting(createHeliaLight(), { allowAddresses: ['127.0.0.0/8'] }).start()

try {
  const [first, second] = file.others
  if (first == null || second == null) {
    throw new Error('The file has no leaves')
  }

  // without a hint nobody can be found, and the error says so
  await helia.contentRouting.retrieve(first).catch((err: Error) => {
    console.log(`without a hint: ${err.name}: ${err.message}`)
  })

  // 1. one block, straight from content routing: URLs will do
  const block = await helia.contentRouting.retrieve(first, { providers: [gateway.url] })
  console.log(`retrieve: ${block.byteLength} bytes`)

  // 2. through the blockstore, as any Helia code does: Helia's type wants a multiaddr
  for await (const bytes of helia.blockstore.get(second, { providers: [uriToMultiaddr(gateway.url)] })) {
    console.log(`blockstore.get: ${bytes.byteLength} bytes`)
  }

  // 3. a session: the hint holds for every block of the DAG
  const session = helia.blockstore.createSession(file.root, { providers: [uriToMultiaddr(gateway.url)] })
  let size = 0
  for await (const chunk of unixfs({ ...helia, blockstore: session }).cat(file.root)) {
    size += chunk.byteLength
  }
  session.close()
  console.log(`a file through a session: ${size} bytes`)
  console.log(`the gateway was asked for ${gateway.requests.length} blocks`)
} finally {
  await helia.stop()
  await gateway.close()
}
