import { compareDistance } from '../../../../src/discovery/kad/kad-key.ts'
import { Walk } from '../../../../src/discovery/kad/walk.ts'
import { madeUpPeer } from './peers.ts'
import { seededRandom } from '../../../../src/clock/random.ts'
import type { KadPeer } from '../../../../src/discovery/kad/kad-client.ts'
import type { KadKey } from '../../../../src/discovery/kad/kad-key.ts'
import type { NetworksOf } from '../../../../src/discovery/kad/diverse.ts'
import type { PeerTimingView, WalkEnd, WalkParams } from '../../../../src/discovery/kad/walk.ts'
import type { Random } from '../../../../src/interface/clock.ts'

export interface SimulatedPeer extends KadPeer {
  /** Milliseconds to an answer */
  readonly delay: number
  /** Never: silence. A number: fails after so long. */
  readonly fails?: number | 'never'
  closer (): KadPeer[]
}

/** Everybody knows, as Kademlia has it, up to k of each of its buckets */
export function simulatedNet (init: { count: number, k: number, seed: number, dead?: number }): { peers: SimulatedPeer[], alive: SimulatedPeer[], table: KadPeer[], byId: Map<string, SimulatedPeer>, target: KadKey, random: Random } {
  const random = seededRandom(init.seed)
  const plain = Array.from({ length: init.count }, () => madeUpPeer(random))
  const target = madeUpPeer(random).key
  const known = (of: KadKey): KadPeer[] => {
    const buckets = new Map<number, KadPeer[]>()
    for (const peer of plain) {
      const bucket = prefix(of, peer.key)
      buckets.set(bucket, [...buckets.get(bucket) ?? [], peer])
    }
    // which ones is not the same for all
    return [...buckets.values()].flatMap(bucket => {
      const from = (of[31] as number) % bucket.length
      return [...bucket.slice(from), ...bucket.slice(0, from)].slice(0, init.k)
    })
  }
  const peers = plain.map((peer): SimulatedPeer => {
    const fate = random.next()
    const dead = init.dead ?? 0
    return {
      ...peer,
      delay: 20 + random.next() * 220,
      ...(fate < dead / 2 ? { fails: 'never' } : fate < dead ? { fails: random.next() * 300 } : {}),
      closer: () => known(peer.key).sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, init.k)
    }
  })
  return { peers, alive: peers.filter(({ fails }) => fails == null), table: known(madeUpPeer(random).key), byId: new Map(peers.map(peer => [peer.id, peer])), target, random }
}

function prefix (a: KadKey, b: KadKey): number {
  const i = a.findIndex((byte, at) => byte !== b[at])
  return i < 0 ? 256 : 8 * i + Math.clz32((a[i] as number) ^ (b[i] as number)) - 24
}

export interface SimulatedWalk {
  readonly end: WalkEnd
  readonly closest: string[]
  readonly asked: string[]
  /** At its end, in ms */
  readonly at: number
  /** The most requests that were neither answered nor slow */
  readonly busiest: number
  readonly leftOut: number
}

/** Drives a walk on a clock of its own. Throws when it never ends. */
export function simulateWalk (target: KadKey, table: readonly KadPeer[], peer: (id: string) => SimulatedPeer | undefined, params: WalkParams, timing: PeerTimingView, networksOf?: NetworksOf): SimulatedWalk {
  const walk = new Walk(target, params, timing, networksOf)
  const events: Array<{ at: number, run: () => void }> = []
  const since = new Map<string, number>()
  const asked: string[] = []
  let now = 0
  let busiest = 0
  walk.heard(table)

  for (let steps = 0; steps < 100_000; steps++) {
    for (const { id } of walk.next(now)) {
      const { delay, fails, closer } = peer(id) ?? { delay: 0, fails: 'never', closer: () => [] }
      asked.push(id)
      since.set(id, now)

      if (fails !== 'never') {
        events.push({
          at: now + (fails ?? delay),
          run () {
            since.delete(id)
            if (fails != null) {
              walk.failed(id)
            } else {
              walk.answered(id)
              walk.heard(closer(), id)
            }
          }
        })
      }
    }
    busiest = Math.max(busiest, [...since].filter(([id, at]) => now < at + timing.slowAfter(id)).length)
    const end = walk.ended(now)

    if (end != null) {
      return { end, closest: walk.closest().map(({ id }) => id), asked, at: now, busiest, leftOut: walk.without.leftOut }
    }

    events.sort((a, b) => a.at - b.at)
    const wake = walk.wakeAt(now)
    const next = events[0]

    if (next == null && wake == null) {
      throw new Error(`Nothing will ever happen, and the walk has not ended: ${asked.length} asked`)
    }
    if (next == null || (wake != null && wake < next.at)) {
      now = wake as number
    } else {
      now = next.at
      events.shift()
      next.run()
    }
  }

  throw new Error('The walk does not end')
}
