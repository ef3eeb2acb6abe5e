import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPortolan } from '../../../src/index.ts'
import { listeningAddress, reportFormats, terminalOptions, timelineOf, writeReport } from '../../../src/index.privacy.ts'
import { loopbackProvider, sampleFile } from '../../../src/testing/index.ts'
import { ask, echoNode, stopAll } from './nodes.ts'

/** A whole node: it reads from two gateways for three users, and peers come and go meanwhile */
export async function report (): Promise<void> {
  const file = await sampleFile({ size: 30 * 16_384, chunkSize: 16_384 })
  const gateways = await Promise.all([loopbackProvider({ blocks: file.blocks }), loopbackProvider({ blocks: file.blocks, behaviour: { kind: 'good', firstByte: 20 } })])
  const node = await createPortolan({ listen: ['/ip4/127.0.0.1/tcp/0'], providers: gateways.map(({ url }) => url), allowAddresses: ['127.0.0.0/8'], privacy: { privateAddresses: true } })
  const peers = await Promise.all(Array.from({ length: 6 }, async () => echoNode()))
  const directory = await mkdtemp(join(tmpdir(), 'portolan-report-'))

  try {
    for (const [i, cid] of file.others.entries()) {
      const peer = peers[i % peers.length]
      const connection = await peer?.dial(listeningAddress(node.libp2p))
      await node.contentRouting.retrieve(cid, { client: `user ${i % 3}` })
      if (connection != null && i % 2 === 0) {
        // what every libp2p node answers
        await ask(connection, 'x'.repeat(32), '/ipfs/ping/1.0.0')
        await connection.close()
      }
    }

    const analysis = node.privacy.analyze()
    const formats = reportFormats()
    const timeline = timelineOf(node.privacy.collector.observations())
    console.log(formats.render('console', analysis, { ...terminalOptions(process.stdout, process.env), title: 'the node of this example', timeline }))

    for (const name of formats.names) {
      const path = join(directory, `report.${formats.get(name).extension}`)
      await writeReport(path, formats.render(name, analysis, { title: 'the node of this example', timeline }))
      const { size, mode } = await stat(path)
      console.log(`${name.padEnd(8)} ${formats.get(name).mediaType.padEnd(17)} ${String(size).padStart(6)} bytes, mode ${(mode & 0o777).toString(8)}`)
    }
  } finally {
    await node.stop()
    await stopAll(peers)
    await Promise.all(gateways.map(async gateway => { await gateway.close() }))
    await rm(directory, { recursive: true, force: true })
  }
}
