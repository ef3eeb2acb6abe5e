import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { createPortolan } from '../../src/index.ts'
import { loopbackProvider, sampleFile } from '../../src/testing/index.ts'
import type { LoopbackBehaviour, LoopbackFault, LoopbackProvider } from '../../src/testing/index.ts'

const MIB = 1_048_576
const file = await sampleFile({ size: 8 * MIB, chunkSize: 65_536 })

async function reading (behaviours: ReadonlyArray<LoopbackFault | LoopbackBehaviour>, use: (node: Awaited<ReturnType<typeof createPortolan>>, providers: LoopbackProvider[]) => Promise<void>): Promise<void> {
  const providers = await Promise.all(behaviours.map(async behaviour => loopbackProvider({ blocks: file.blocks, behaviour, cars: true })))
  const node = await createPortolan({ providers: providers.map(({ url }) => url) })
  try {
    await use(node, providers)
  } finally {
    await node.stop()
    await Promise.all(providers.map(async provider => provider.close()))
  }
}

async function collect (bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function cars (provider: LoopbackProvider): number {
  return provider.requests.filter(({ car }) => car).length
}

describe('a file over HTTP', () => {
  it('comes as one stream from a provider that makes CARs', async () => {
    await reading(['good'], async (node, [provider]) => {
      const bytes = await collect(node.contentRouting.retrieveContent(file.root))
      expect(Buffer.compare(bytes, file.bytes)).toBe(0)
      expect(cars(provider as LoopbackProvider)).toBe(1)
      // the root, what was asked for before the stream had begun, and the stream
      expect(provider?.requests.length).toBeLessThan(20)
    })
  })
})
