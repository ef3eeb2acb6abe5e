import { describe, expect, it } from 'vitest'
import { analyze5Ms } from '../../bench/privacy/analyze.ts'
import { captureMs } from '../../bench/privacy/capture.ts'
import { idleCpu } from '../../bench/privacy/idle.ts'
import { memory } from '../../bench/privacy/memory.ts'

describe('npm run bench -- privacy', () => {
  it('waits for what a peer did to show', async () => {
    expect(await captureMs(2)).toBeGreaterThan(0)
  })

  it('counts the processor time of a node with peers', async () => {
    const { added, without } = await idleCpu(100, 1)
    expect([added >= 0, without >= 0, Number.isFinite(added + without)]).toEqual([true, true, true])
  })

  it('weighs a process in which all events were seen', async () => {
    const { events, peers, disclosures, causedMiB, watchedMiB, controlMiB, heldMiB, defaultMiB } = await memory(10_000, 1)
    expect(events).toBeGreaterThanOrEqual(10_000)
    expect(peers).toBeGreaterThan(0)
    expect(disclosures).toBeGreaterThan(0)
    expect(causedMiB).toBe(watchedMiB - controlMiB)
    expect([heldMiB, defaultMiB].every(Number.isFinite)).toBe(true)
  })

  it('analyses by the seed', () => {
    expect(analyze5Ms(1)).toBeGreaterThan(0)
  })
})
