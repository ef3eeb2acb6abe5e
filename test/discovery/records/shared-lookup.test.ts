import { expect, it } from 'vitest'
import { SharedLookup } from '../../../src/discovery/records/shared-lookup.ts'

it('whoever leaves twice is counted once: the others go on', () => {
  let ended = 0
  const lookup = new SharedLookup(() => { ended++ })
  const [first, second] = [lookup.take(), lookup.take()]
  first.leave()
  first.leave()
  expect(ended).toBe(0)
  second.leave()
  second.leave()
  expect(ended).toBe(1)
})
