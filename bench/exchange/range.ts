import { ownProcess } from './own-child.ts'

const MIB = 1024 * 1024
/** Distinct content, after which the file repeats: far more than one look into it may fetch, and quickly written */
const PERIOD = 64 * MIB

export interface RangeFigures {
  /** Blocks that were fetched by a node which had none */
  readonly fetched: number
  /** Blocks that the server sent: those that came too late to be kept, too */
  readonly sent: number
  readonly ms: number
}

/** 1 KiB at the middle of a large file, read by one node of ours from another */
export async function range ({ seed, size, chunkSize }: { seed: number, size: number, chunkSize: number }): Promise<RangeFigures> {
  const server = await ownProcess()
  try {
    const { root } = await server.tell('add', { seed, size, chunkSize, period: PERIOD })
    const reader = await ownProcess()
    try {
      const before = await server.tell('usage', null)
      const reading = await reader.tell('read', { root, providers: server.multiaddrs, offset: size / 2, length: 1024 })
      if (reading.size !== 1024) {
        throw new Error(`1024 bytes were asked for, ${reading.size} came`)
      }
      // after it has left: whatever was still on its way has been sent by then
      await reader.stop()
      const after = await server.tell('usage', null)
      return { fetched: reading.stored, sent: after.served - before.served, ms: reading.ms }
    } finally {
      await reader.stop()
    }
  } finally {
    await server.stop()
  }
}
