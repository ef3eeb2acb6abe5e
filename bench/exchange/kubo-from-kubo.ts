/**
 * The peer that our exchange is measured against: `POST /api/v0/cat` on a
 * running Kubo, from another Kubo. Prints the figures:
 * `node bench/exchange/kubo-from-kubo.ts`
 */
import { buildKubo } from '../../test/interop/kubo/build.ts'
import { kuboFrom, kuboServing } from './kubo-from.ts'
import { compare, figuresLine } from './transfer.ts'

const MIB = 1024 * 1024

const { path: binary, reason } = await buildKubo({ log: console.error })
if (binary == null) {
  throw new Error(reason)
}

for (const security of ['tls', 'noise'] as const) {
  for (const chunkSize of [MIB, MIB / 4]) {
    const server = await kuboServing({ binary, security }, { seed: 1, size: 64 * MIB, chunkSize })
    try {
      const reader = await kuboFrom({ binary, security }, server)
      try {
        for (const figures of await compare([reader], 5)) {
          console.log(`${reader.name}, ${server.blocks} blocks, ${security}: ${figuresLine(figures)}`)
        }
      } finally {
        await reader.stop()
      }
    } finally {
      await server.stop()
    }
  }
}
