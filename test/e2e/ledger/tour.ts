import { leapingClock } from './leaping-clock.ts'
import { heard, perform } from './driver.ts'
import { spiedPortolan } from './nodes.ts'
import { failuresOf, scenes } from './scenes.ts'
import { DHT_PROTOCOL, world } from './world.ts'
import type { Driven } from './driver.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'

export interface TourInit {
  readonly seed: number
  readonly mode: PrivacyMode
}

/** Milliseconds for the second level of the cache: on a busy machine it is not to be given up, but where it is silent on purpose */
const PATIENCE = 1_000
/** Milliseconds that a lookup of mode `strict` waits for others here: the tour makes them one by one */
const LOOKUP_DELAY = 50

/**
 * One node that has everything, taken by each path on purpose: the dice of a drive may
 * leave some out, and what fails there by chance fails here for a reason. The scenes
 * come in an order of the seed, each when the one before is over.
 */
export async function tour ({ seed, mode }: TourInit): Promise<Driven> {
  const spies = await world(seed, { blocks: 150, failing: true })
  const { gateways, peers, routers, servers, redis, dice } = spies
  const clock = leapingClock()
  // nobody of the fleet has anything, but where a scene says so
  spies.rules.set('gateway-2', 'missing').set('peer-3', 'missing')

  return perform(spies, {
    mode,
    make: spiedPortolan,
    options: {
      clock,
      timeouts: { unknown: 250, connect: 300, stall: 250 },
      rounds: { max: 2, pause: 20 },
      bootstrap: servers.slice(0, 2).map(({ address }) => address),
      dhtProtocol: DHT_PROTOCOL,
      redis: { url: redis.url, timeout: PATIENCE },
      providers: [gateways[3]?.url ?? ''],
      siblings: [gateways[2]?.url ?? '', peers[3]?.address ?? ''],
      routers: routers.map(({ url }) => ({ url, own: true })),
      ...mode === 'strict' ? { privacy: { lookupDelay: LOOKUP_DELAY } } : {},
      ...mode === 'open' ? { askConnected: 4, hedge: { shadowShare: 1, share: 1 } } : {}
    }
  }, async stage => {
    const fresh = spies.blocks[Symbol.iterator]()
    failuresOf(spies).forEach((how, observer) => { stage.played.failures.set(observer, how) })

    for (const scene of scenes(stage, { clock, fresh: () => fresh.next().value ?? fail() }, dice.of('order of scenes'))) {
      await scene()
      await heard(spies)
    }
    stage.ended = true
    await stage.node.stop()
  })
}

function fail (): never {
  throw new Error('The tour has read all blocks there are')
}
