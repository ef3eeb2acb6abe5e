import { loopbackProvider, loopbackRouter, sampleFile } from '../../src/testing/index.ts'
import type { LoopbackBehaviour, LoopbackProvider, LoopbackRouter, SampleFile } from '../../src/testing/index.ts'

export interface Actor {
  readonly name: string
  readonly says: string
  readonly provider: LoopbackProvider
}

/** Five gateways on loopback, a router that names them all, and a file that they are said to have */
export interface Scene {
  readonly file: SampleFile
  readonly actors: readonly Actor[]
  readonly router: LoopbackRouter
  close (): Promise<void>
}

const CAST: ReadonlyArray<readonly [name: string, says: string, behaviour: LoopbackBehaviour]> = [
  ['silent', 'accepts every request and never answers', { kind: 'silent' }],
  ['liar', 'the quickest of all, but its bytes are wrong', { kind: 'garbage', firstByte: [8, 15] }],
  ['slow', 'takes half a second, then 512 KiB/s', { kind: 'slow', firstByte: [450, 550], bytesPerSecond: 524_288 }],
  ['half', 'has half of the blocks', { kind: 'partial', firstByte: [25, 45] }],
  ['good', 'has everything, answers in about 35 ms', { kind: 'good', firstByte: [25, 45] }]
]

export async function setScene (): Promise<Scene> {
  const file = await sampleFile({ size: 8 * 1024 * 1024, chunkSize: 256 * 1024 })
  const actors = await Promise.all(CAST.map(async ([name, says, behaviour]) => {
    return { name, says, provider: await loopbackProvider({ blocks: file.blocks, behaviour }) }
  }))

  return {
    file,
    actors,
    // the useless ones first: nothing but experience tells them apart
    router: loopbackRouter({ name: 'demo', providers: actors.map(({ provider }) => provider.url) }),
    async close () {
      await Promise.all(actors.map(async ({ provider }) => { await provider.close() }))
    }
  }
}
