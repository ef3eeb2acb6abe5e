import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { waits } from '../../../src/clock/system-clock.ts'
import { noNetworks } from '../../../src/discovery/kad/diverse.ts'
import { KadRequestError } from '../../../src/discovery/kad/kad-client.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { WalkRun } from '../../../src/discovery/kad/walk-run.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { madeUpPeer } from './support/peers.ts'
import type { Asks, WalkProgress } from '../../../src/discovery/kad/walk-run.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { Clock } from '../../../src/interface/clock.ts'

const PARAMS = { k: 4, concurrency: 10, maxAsked: 20 }
const random = seededRandom(1)
const peers = Array.from({ length: 4 }, () => madeUpPeer(random)) as [KadPeer, KadPeer, KadPeer, KadPeer]
const nothing = { closer: [], providers: [], skipped: 0 }

/** A machine that stands still for a while when the first timer is due */
function standingStill (virtual: VirtualClock, ms: number): Clock {
  let stood = 0
  const schedule: Clock['schedule'] = (wait, fn) => virtual.schedule(wait, () => {
    stood = ms
    fn()
  })
  return { now: () => virtual.now() + stood, wall: () => virtual.wall() + stood, schedule, ...waits(schedule) }
}

async function run (virtual: VirtualClock, clock: Clock, timing: PeerTiming, ask: Asks): Promise<{ phases: string[], answered: number }> {
  const phases: string[] = []
  const onProgress = ({ phase }: WalkProgress): void => { phases.push(phase) }
  const walk = new WalkRun({ clock, timing, networksOf: noNetworks, ask, signal: new AbortController().signal, onProgress }, madeUpPeer(random).key, PARAMS, peers)
  return { answered: (await virtual.run(walk.result)).answered, phases }
}

describe('a walk', () => {
  it('of a machine that stood still counts that time against nobody', async () => {
    const virtual = new VirtualClock()
    const timing = new PeerTiming()
    const ask: Asks = async (_, { signal }) => {
      // what came meanwhile is read after the timer
      await virtual.sleep(900, { signal })
      return nothing
    }
    const { answered, phases } = await run(virtual, standingStill(virtual, 25_000), timing, ask)
    expect(answered).toBe(4)
    expect(phases).not.toContain('late')
    expect(phases).not.toContain('error')
    expect(timing.silent).toBe(0)
    expect(virtual.pending).toBe(0)
  })

  it('of a machine that did not counts it', async () => {
    const virtual = new VirtualClock()
    const timing = new PeerTiming()
    const [late] = peers
    const ask: Asks = async ({ id }, { signal }) => {
      await virtual.sleep(id === late.id ? 25_000 : 900, { signal })
      return nothing
    }
    const { answered, phases } = await run(virtual, virtual, timing, ask)
    expect(answered).toBe(3)
    expect(phases).toContain('late')
    expect(timing.silent).toBe(1)
  })

  it.each([['declined', 0], ['unreachable', 1]] as const)('that hears that a peer is %s counts it as silent: %i', async (reason, silent) => {
    const virtual = new VirtualClock()
    const timing = new PeerTiming()
    const [first] = peers
    const ask: Asks = async ({ id }, { signal }) => {
      if (id === first.id) {
        throw new KadRequestError(reason, 'no')
      }
      await virtual.sleep(100, { signal })
      return nothing
    }
    const { answered, phases } = await run(virtual, virtual, timing, ask)
    expect(answered).toBe(3)
    expect(phases.filter(phase => phase === 'error')).toHaveLength(1)
    expect(timing.silent).toBe(silent)
  })
})
