import { expect } from 'vitest'
import { block, openTier } from './tiers.ts'
import type { Block } from './tiers.ts'
import type { MemoryFiles } from './memory-files.ts'
import type { DiskTier } from '../../../../src/cache/disk/disk-tier.ts'

export const SEGMENTS = '/cache/segments'
/** For seven of the blocks */
const SEGMENT_BYTES = 4_096
export const PER_SEGMENT = 7
/** Five segments full */
export const blocks: readonly Block[] = Array.from({ length: 5 * PER_SEGMENT }, (_, i) => block(i, 500))

export const segment = (id: number): string => `${SEGMENTS}/${String(id).padStart(8, '0')}.seg`
export const sidecar = (id: number): string => segment(id).replace('.seg', '.idx')

export const open = async (files: MemoryFiles): ReturnType<typeof openTier> => openTier({ path: '/cache', files, segmentBytes: SEGMENT_BYTES })

/** Which of them come back, as they were */
export async function held (tier: DiskTier, some: readonly Block[] = blocks): Promise<number[]> {
  const there: number[] = []
  for (const [i, { multihash, bytes }] of some.entries()) {
    const slot = tier.find(multihash)
    if (slot !== -1) {
      expect(await tier.read(slot)).toEqual(bytes)
      there.push(i)
    }
  }
  return there
}
