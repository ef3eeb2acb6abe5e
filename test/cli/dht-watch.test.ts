import { expect, it } from 'vitest'
import { watchDHT } from '../../src/cli/dht-watch.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { JoiningStats } from '../../src/discovery/join/joiner.ts'

function watch (named = ['/ip4/10.1.0.5/tcp/4480/p2p/SOMEBODY']): { clock: VirtualClock, said: string[], now: { joining?: JoiningStats }, end: () => void } {
  const clock = new VirtualClock()
  const said: string[] = []
  const now: { joining?: JoiningStats } = {}
  const end = watchDHT({ protocol: '/x/kad/1.0.0', named, clock, joining: () => now.joining, warn: text => { said.push(text) }, info: text => { said.push(text) } })
  return { clock, said, now, end }
}

it('warns once when nobody answers, names who was named, and says when somebody does', async () => {
  const { clock, said, now, end } = watch()
  now.joining = { remembered: 0, rounds: 1, answered: 0, failed: 1 }
  await clock.advance(5_000)
  expect(said).toEqual([])
  now.joining = { remembered: 0, rounds: 2, answered: 0, failed: 2 }
  await clock.advance(20_000)
  expect(said).toEqual([expect.stringMatching(/^nobody of the DHT \/x\/kad\/1\.0\.0 has answered so far \(libp2p\.bootstrap: \/ip4\/10\.1\.0\.5\/tcp\/4480\/p2p\/SOMEBODY\)/)])
  now.joining = { remembered: 1, rounds: 3, answered: 1, failed: 2 }
  await clock.advance(60_000)
  expect(said.slice(1)).toEqual(['joined the DHT /x/kad/1.0.0'])
  expect(clock.pending).toBe(0)
  end()
})

it.each<[string, JoiningStats | undefined]>([
  ['somebody answered at once', { remembered: 1, rounds: 1, answered: 1, failed: 3 }],
  ['nobody had to be tried', { remembered: 3, rounds: 0, answered: 0, failed: 0 }],
  ['the node is not there yet', undefined]
])('says nothing where %s, and ends', async (_, joining) => {
  const { clock, said, now, end } = watch()
  now.joining = joining
  await clock.advance(60_000)
  expect(said).toEqual([])
  end()
  expect(clock.pending).toBe(0)
})

it('the first node of a network has nobody to wait for', () => {
  expect(watch([]).clock.pending).toBe(0)
})
