import { expect, it } from 'vitest'
import { adaptivePolicy } from '../../src/cache/policy/adaptive-policy.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { hitRatio, skewed } from './policy/requests.ts'
import { block } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { smallCache } from './support/small-cache.ts'

/** Notes are saved when the gate opens */
class SlowNotes extends MemoryDisk {
  readonly saving: string[] = []
  gate?: Promise<void>

  override async saveNote (name: string, value: Uint8Array): Promise<void> {
    this.saving.push(name)
    await this.gate
    await super.saveNote(name, value)
  }
}

it('what was learnt is saved from time to time and at the end, and no timer is left, also when it is closed in the middle of a saving', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const disk = new SlowNotes()
  const clock = new VirtualClock()
  const { cache } = await smallCache({ disk, clock, maxBytes: 60_000 })
  const { cid, bytes } = await block()
  await cache.admit(cid, bytes, { origin: 'test' })

  await clock.advance(300_000)
  expect(disk.saving).toEqual(['policy'])
  disk.gate = promise
  await clock.advance(300_000)
  expect(disk.saving).toEqual(['policy', 'policy'])

  const closing = cache.close()
  await expect.poll(() => disk.saving.length).toBe(3)
  resolve()
  await closing
  await clock.advance(1)
  expect({ saving: disk.saving, timers: clock.pending }).toEqual({ saving: ['policy', 'policy', 'policy'], timers: 0 })
})

it('what was learnt is gone on with', async () => {
  const policy = adaptivePolicy({ capacity: 50, random: seededRandom(1) })
  hitRatio(policy, skewed(1000, 20_000))
  const disk = new MemoryDisk()
  await disk.saveNote('policy', policy.save?.() ?? new Uint8Array())
  const { cache } = await smallCache({ disk })
  const { cache: untaught } = await smallCache()
  expect(policy.leader).not.toBe('recent')
  expect([cache.stats().leader, untaught.stats().leader]).toEqual([policy.leader, 'recent'])
  await Promise.all([cache.close(), untaught.close()])
})
