import { expect, it } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
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
  const { cache } = await smallCache({ disk, clock })
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
