import { seededRandom } from '../../src/clock/random.ts'
import { adaptivePolicy } from '../../src/cache/policy/adaptive-policy.ts'
import type { Cache, Trace } from './trace.ts'
import type { EvictionPolicy } from '../../src/cache/policy/eviction-policy.ts'
import type { Random } from '../../src/interface/clock.ts'

/** What an object of a trace without sizes takes: the policy is told of bytes, and this is what leaves of files often have */
const BLOCK_BYTES = 262_144

/** What a policy keeps of sizes are 32 bits; blocks are far smaller, and a larger object is no business of a block cache */
const MAX_OBJECT = 2 ** 32 - 1

type PolicyFactory = (init: { capacity: number, random: Random }) => EvictionPolicy

/** Our policy with a store that obeys it, and that believes nothing: every eviction must be of what is here, and in the end it must fit */
export function ours ({ sizes, sized, hashes }: Trace, capacity: number, seed = 1, policyOf: PolicyFactory = adaptivePolicy): Cache {
  const unit = sized ? 1 : BLOCK_BYTES
  const room = capacity * unit
  const policy: EvictionPolicy = policyOf({ capacity: room, random: seededRandom(seed ^ 0x0b5e55ed) })
  const slots = new Int32Array(sizes.length).fill(-1)
  const objects: number[] = []
  const free: number[] = []
  let used = 0

  function size (object: number): number {
    return (sizes[object] ?? 1) * unit
  }

  function leave (slot: number): void {
    const object = objects[slot]

    if (object == null || slots[object] !== slot) {
      throw new Error(`The policy evicts slot ${slot}, in which there is nothing`)
    }

    slots[object] = -1
    used -= size(object)
    free.push(slot)
  }

  return {
    request (object) {
      const here = slots[object] ?? -1

      if (here !== -1) {
        policy.hit(here)
        return true
      }

      policy.miss(hashes[object] ?? 0)

      if (size(object) > MAX_OBJECT) {
        return false
      }

      const slot = free.pop() ?? objects.length
      objects[slot] = object
      slots[object] = slot
      used += size(object)
      policy.insert(slot, hashes[object] ?? 0, size(object)).forEach(leave)

      if (used > room) {
        throw new Error(`The policy keeps ${used} bytes in ${room}`)
      }

      return false
    }
  }
}
