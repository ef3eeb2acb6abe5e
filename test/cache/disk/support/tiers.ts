import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { diskTier } from '../../../../src/cache/disk/segment-tier.ts'
import { systemClock } from '../../../../src/clock/system-clock.ts'
import { silentLogger } from '../../../../src/testing/silent-logger.ts'
import type { DiskTier, OpenReport } from '../../../../src/cache/disk/disk-tier.ts'
import type { DiskTierComponents, DiskTierInit } from '../../../../src/cache/disk/segment-tier.ts'

export async function temporaryDirectory (): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'portolan-disk-'))
  onTestFinished(async () => rm(path, { recursive: true, force: true }))
  return path
}

/** sha2-256 of the bytes */
export function multihashOf (bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0x12, 32, ...createHash('sha256').update(bytes).digest()])
}

export interface Block {
  readonly multihash: Uint8Array
  readonly bytes: Uint8Array
}

/** The same bytes for the same number, whatever the size */
export function block (number: number, size: number): Block {
  const bytes = new Uint8Array(size)
  let state = (number + 1) * 2_654_435_761

  for (let i = 0; i < size; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i
    bytes[i] = state >>> 8
  }
  return { multihash: multihashOf(Uint8Array.from([...new Uint8Array(Uint32Array.of(number, size).buffer)])), bytes }
}

export async function openTier (init: DiskTierInit, components: Partial<DiskTierComponents> = {}): Promise<{ tier: DiskTier, report: OpenReport }> {
  const tier = diskTier({ clock: systemClock, log: silentLogger.forComponent('portolan:cache:disk'), ...components }, init)
  onTestFinished(async () => { await Promise.allSettled([tier.close()]) })
  return { tier, report: await tier.open() }
}
