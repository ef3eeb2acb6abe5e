/**
 * Ask what happened: who was found, who was asked and why, what came back, what
 * it cost. An error that a read throws tells the same story.
 *
 *     node examples/explain.ts
 */
import { setTimeout } from 'node:timers/promises'
import { createHeliaLight } from 'helia'
import { withContentRouting } from '../src/index.ts'
import { loopbackProvider, loopbackRouter, sampleFile } from '../src/testing/index.ts'

// the network of this example: three gateways with one flaw each, and a good one that is found a little later
const file = await sampleFile({ size: 64 * 1024 })
const gateways = await Promise.all((['html', 'partial', 'error', 'good'] as const).map(async kind => {
  return await loopbackProvider({ blocks: file.blocks, behaviour: { kind, share: 1 } })
}))

const router = loopbackRouter({
  async * providers () {
    for (const { url, behaviour } of gateways) {
      await setTimeout(behaviour.kind === 'good' ? 100 : 0)
      yield url
    }
  }
})
const helia = await withContentRouting(createHeliaLight({ routers: [router] }), { allowAddresses: ['127.0.0.0/8'] }).start()

try {
  // phases as they happen
  await helia.contentRouting.retrieve(file.root, {
    store: false,
    onProgress: ({ type }) => { console.log(`  … ${type}`) }
  })

  // the whole story, for people
  console.log(`\n${String(helia.contentRouting.explain(file.root))}`)

  // and for programs
  const story = JSON.stringify(helia.contentRouting.explain(file.root))
  console.log(`\nas JSON: ${story.length} characters, beginning ${story.slice(0, 60)}…`)

  // when nobody delivers, the error carries it
  gateways.at(-1)?.set({ kind: 'refusing' })
  await helia.contentRouting.retrieve(file.root, { store: false, timeout: 3000 }).catch((err: Error & { story?: unknown }) => {
    console.log(`\n${err.name}: ${err.message}\n\n${String(err.story)}`)
  })
} finally {
  await helia.stop()
  await Promise.all(gateways.map(async gateway => { await gateway.close() }))
}
