import { expect, it, onTestFinished } from 'vitest'
import { blockVerifier } from '../../../src/block/verify.ts'
import { bitswapFetcher } from '../../../src/exchange/bitswap/bitswap-fetcher.ts'
import { BITSWAP_PROTOCOLS } from '../../../src/exchange/bitswap/message.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { attempt, failure, routeTo, sample, wantOf } from './attempt.ts'
import type { BitswapFetcher } from '../../../src/exchange/bitswap/bitswap-fetcher.ts'
import type { BlockReceiver } from '../../../src/exchange/bitswap/network.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Recorded, Sample } from './attempt.ts'

interface World {
  readonly fetcher: BitswapFetcher
  readonly clock: VirtualClock
  /** Whose block was a surprise: nothing is known of them */
  readonly strangers: readonly string[]
  /** A peer says that it has the block not */
  lacks (peer: string, block: Sample): void
  /** A peer begins to send some block; its bytes are of no interest */
  offer (peer: string): void
}

/** Our client without wire or connections: what it writes is taken at once */
function world (): World {
  const clock = new VirtualClock()
  const strangers: string[] = []
  let blocks: BlockReceiver | undefined
  const fetcher = bitswapFetcher({
    clock,
    verifier: blockVerifier(),
    leases: {
      acquire: async ({ peer }) => ({ peer, connection: { status: 'open' } as never, release: () => {} }),
      proven: () => true,
      start: () => {},
      stop: async () => {}
    },
    network: {
      start: async () => {},
      stop: async () => {},
      receiveBlocks: receiver => {
        blocks = receiver
        return () => {}
      },
      receiveWants: () => () => {},
      fault: (peer, _, message) => { message.includes('never asked') && strangers.push(peer) },
      write: async (_, compose) => {
        const outgoing = compose(BITSWAP_PROTOCOLS[0])
        outgoing?.disclosures.forEach(disclosure => { disclosure.sent() })
        outgoing?.cancelled?.forEach(disclosure => { disclosure.cancel() })
      }
    }
  })
  fetcher.start()
  onTestFinished(async () => { await fetcher.stop() })

  return {
    fetcher,
    clock,
    strangers,
    lacks: (peer, block) => { blocks?.presences(peer, [{ cid: block.cid, key: wantOf(block).key, type: 'dont-have' }]) },
    offer: peer => { blocks?.accept(peer, { version: 1, codec: 0x55, hash: 0x12, digestLength: 32 }, 100, { drop: () => {} }) }
  }
}

const turn = async (): Promise<void> => { await new Promise(resolve => { setImmediate(resolve) }) }

/** Asked, and answered that it is not there */
async function asked ({ fetcher, lacks }: World, peers: readonly string[], block: Sample): Promise<void> {
  const fetching = peers.map(async peer => failure(fetcher.fetch(wantOf(block), routeTo(peer), attempt())))
  await turn()
  peers.forEach(peer => { lacks(peer, block) })
  expect(new Set((await Promise.all(fetching)).map(({ outcome }) => outcome))).toEqual(new Set(['not-here']))
}

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `peer${from + i}`)

it('remembers 1 024 peers that nothing is wanted from, and forgets whom it asked longest ago', async () => {
  const now = world()
  const [block, other] = [await sample(1), await sample(2)]
  await asked(now, names(1_024), block)
  // nothing of them can come late any more
  await now.clock.advance(60_000)
  await asked(now, ['peer0'], other)
  await now.clock.advance(60_000)
  await asked(now, names(2, 1_024), block)
  expect(now.fetcher.size).toEqual({ wants: 0, peers: 1_024 })

  names(1_026).forEach(now.offer)
  expect(now.strangers).toEqual(['peer1', 'peer2'])
})

it('remembers no more when all of them may still send something, and never forgets one that something is wanted from', async () => {
  const now = world()
  const [block, other] = [await sample(1), await sample(2)]
  const waiting = attempt()
  const fetching = now.fetcher.fetch(wantOf(other), routeTo('peer0'), waiting)
  await turn()
  for (let from = 1; from < 1_100; from += 100) {
    await asked(now, names(100, from), block)
  }
  expect(now.fetcher.size).toEqual({ wants: 1, peers: 1_024 })
  names(1_101).forEach(now.offer)
  expect(now.strangers).toEqual(names(77, 1))

  now.lacks('peer0', other)
  expect(await failure(fetching)).toMatchObject({ outcome: 'not-here' })
})

it.each([
  ['1 024 blocks from one peer', 1_024, 1],
  ['16 384 blocks from all together', 16_384, 17]
])('wants at most %s', async (_, most, peers) => {
  const { fetcher } = world()
  const block = await sample(1)
  const attempts: Recorded[] = []
  const fetching: Array<Promise<FetchError>> = []
  const fetch = (i: number): void => {
    const one = attempt()
    attempts.push(one)
    fetching.push(failure(fetcher.fetch(wantOf(block), routeTo(`peer${i % peers}`), one)))
  }

  for (let i = 0; i < most; i++) {
    fetch(i)
  }
  expect(fetcher.size.wants).toBe(most)
  const beyond = attempt()
  expect(await failure(fetcher.fetch(wantOf(block), routeTo('peer0'), beyond))).toMatchObject({ outcome: 'overloaded' })
  expect(beyond.entries).toEqual([])

  // one that ends makes room for another
  attempts[0]?.abort()
  expect(await fetching[0]).toMatchObject({ outcome: 'cancelled' })
  fetch(0)
  expect(fetcher.size.wants).toBe(most)
  attempts.forEach(one => { one.abort() })
  expect(new Set((await Promise.all(fetching)).map(({ outcome }) => outcome))).toEqual(new Set(['cancelled']))
  expect(fetcher.size.wants).toBe(0)
})
