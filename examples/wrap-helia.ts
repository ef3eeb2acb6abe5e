/**
 * One line wraps a Helia node. Here two gateways are named by its router: the
 * first lies, the second is honest. Plain Helia works around the liar at every
 * block; the wrapped node learns.
 *
 *     node examples/wrap-helia.ts
 */
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { withContentRouting } from '../src/index.ts'
import { loopbackProvider, loopbackRouter, sampleFile } from '../src/testing/index.ts'

// the network of this example: a file and two gateways on 127.0.0.1
const file = await sampleFile({ size: 2 * 1024 * 1024, chunkSize: 64 * 1024 })
const liar = await loopbackProvider({ blocks: file.blocks, behaviour: 'garbage' })
const honest = await loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'good', firstByte: 10 } })

// a node as you compose it, and the one line. Loopback is refused unless it is named.
const node = createHeliaLight({ routers: [loopbackRouter({ providers: [liar, honest] })] })
const helia = await withContentRouting(node, { allowAddresses: ['127.0.0.0/8'] }).start()

try {
  // everything that reads through the node is served by content routing
  let size = 0
  for await (const chunk of unixfs(helia).cat(file.root)) {
    size += chunk.byteLength
  }

  console.log(`read ${size} bytes in ${file.blocks.size} blocks`)
  console.log(`requests to the liar: ${liar.requests.length}, to the honest one: ${honest.requests.length}`)
  console.log('what the node thinks of them:', (helia.contentRouting.stats() as { providers: unknown }).providers)

  // and it can be switched off and on while the node runs
  helia.contentRouting.disable()
  helia.contentRouting.enable()
} finally {
  await helia.stop()
  await Promise.all([liar.close(), honest.close()])
}
