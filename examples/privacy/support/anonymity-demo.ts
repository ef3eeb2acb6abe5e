import { createPortolan } from '../../../src/index.ts'
import { loopbackProvider, sampleFile } from '../../../src/testing/index.ts'
import { printAnswer } from './findings.ts'

const CLIENTS = 12

/** The same reads, by a node with one user and by one that reads for twelve */
export async function anonymity (): Promise<void> {
  const file = await sampleFile({ size: 24 * 16_384, chunkSize: 16_384 })
  const gateway = await loopbackProvider({ blocks: file.blocks })

  try {
    for (const clients of [1, CLIENTS]) {
      const node = await createPortolan({ listen: [], providers: [gateway.url], allowAddresses: ['127.0.0.0/8'] })
      try {
        for (const [i, cid] of file.others.entries()) {
          await node.contentRouting.retrieve(cid, { store: false, client: `client ${i % clients}` })
        }
        const report = node.privacy.analyze()
        const measures = report.measures.find(({ observerClass }) => observerClass === 'gateway')
        console.log(`${file.others.length} blocks read from a gateway for ${clients === 1 ? 'one user' : `${clients} users`}: ${measures?.effectiveSet.toFixed(1)} could have been it, effectively`)
        printAnswer(report, 'small-anonymity-set')
        console.log()
      } finally {
        await node.stop()
      }
    }
  } finally {
    await gateway.close()
  }
}
