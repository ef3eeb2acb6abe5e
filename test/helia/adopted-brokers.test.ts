import { describe, expect, it } from 'vitest'
import { AdoptedBrokers } from '../../src/helia/adopted-brokers.ts'
import { MapBroker, block } from './own-routing.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'

const fetcher = (name: string, announced: string[] = []): BlockFetcher => ({
  name,
  transport: 'broker',
  routes: () => [],
  fetch: async () => new Uint8Array(),
  announce: async () => { announced.push(name) }
})

describe('adopted brokers', () => {
  it('are fetchers beside those that are there, each broker once, under names that tell them apart', () => {
    const http = fetcher('http')
    const fetchers = [http]
    const adopted = new AdoptedBrokers(fetchers, (_, name) => fetcher(name))
    const [a, b, other] = [new MapBroker('same'), new MapBroker('same'), new MapBroker('other')]
    adopted.set([a, b, other, a])
    expect(fetchers.map(({ name }) => name)).toEqual(['http', 'same', 'same#2', 'other'])
    expect(fetchers[0]).toBe(http)
  })

  it('keep their fetcher and name over release and restart, and what was added meanwhile stays', () => {
    const fetchers: BlockFetcher[] = []
    let made = 0
    const adopted = new AdoptedBrokers(fetchers, (_, name) => {
      made++
      return fetcher(name)
    })
    const [a, b] = [new MapBroker('same'), new MapBroker('same')]
    adopted.set([a, b])
    const before = [...fetchers]
    adopted.set([])
    expect(fetchers).toEqual([])
    const late = fetcher('late')
    fetchers.push(late)
    adopted.set([a, b])
    adopted.set([a, b])
    expect(fetchers).toEqual([late, ...before])
    expect(made).toBe(2)
  })

  it('are all told what is local now', async () => {
    const { cid } = await block('one')
    const announced: string[] = []
    const adopted = new AdoptedBrokers([], (_, name) => fetcher(name, announced))
    adopted.set([new MapBroker('a'), new MapBroker('b')])
    adopted.announce(cid)
    expect(announced).toEqual(['a', 'b'])
  })
})
