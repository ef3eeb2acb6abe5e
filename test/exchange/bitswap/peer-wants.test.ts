import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { Arrivals } from '../../../src/exchange/bitswap/arrivals.ts'
import { PeerWants } from '../../../src/exchange/bitswap/peer-wants.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { WantBatch } from '../../../src/exchange/bitswap/peer-wants.ts'
import type { Unfinished } from '../../../src/exchange/bitswap/network.ts'
import type { Waiter, WantedBlock } from '../../../src/exchange/bitswap/wanted-block.ts'

const cids = Array.from({ length: 6 }, (_, i) => CID.createV1(0x55, Digest.create(0x12, new Uint8Array(32).fill(i))))

interface Sample extends Waiter {
  readonly disclosure: Disclosure
  readonly bytes: number
}

function waiter (number: number, maxBytes = 1_000): Sample {
  const cid = cids[number] as CID
  let bytes = 0
  return {
    want: { cid, key: blockKey(cid), maxBytes },
    priority: 1,
    disclosure: new Disclosure({ intended: () => {}, settled: () => {} }, { observer: 'p2p:a', form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', at: 0 }),
    progress: n => { bytes += n },
    get bytes () { return bytes }
  }
}

const DOINGS = ['join', 'join', 'ask', 'leave', 'deliver', 'here', 'not-here', 'write', 'write', 'read', 'break', 'pass'] as const

type Step = { readonly do: typeof DOINGS[number], readonly which: number }

describe('what a peer is told', () => {
  it('is what is wanted of it, after whatever happened, though a stream takes what was written last with it', () => {
    const steps = fc.array(fc.record<Step>({ do: fc.constantFrom(...DOINGS), which: fc.nat(1) }), { maxLength: 40, size: 'max' })

    fc.assert(fc.property(steps, steps => {
      const clock = new VirtualClock()
      const wants = new PeerWants(clock)
      /** What the peer believes that we want */
      const told = new Map<string, 'block' | 'have'>()
      /** Lines that it has not read */
      let unread: NonNullable<WantBatch['message']['wants']>[number][] = []
      let broken = false
      const joined: Array<{ who: Sample, wanted: WantedBlock, over: boolean }> = []
      const written = new Set<Disclosure>()

      const over = (wanted: WantedBlock): void => { joined.filter(one => one.wanted === wanted).forEach(one => { one.over = true }) }
      const read = (): void => {
        for (const { cid, cancel, type } of unread) {
          const key = blockKey(cid)
          if (cancel === true) {
            told.delete(key)
          } else if (told.get(key) !== 'block') {
            told.set(key, type)
          }
        }
        unread = []
      }
      const write = (): void => {
        for (let batch = wants.take(); batch != null; batch = wants.take()) {
          const lines = batch.message.wants ?? []
          // readers make one entry of each CID
          expect(new Set(lines.map(({ cid }) => blockKey(cid))).size).toBe(lines.length)
          unread.push(...lines)
          batch.disclosures.forEach(disclosure => {
            disclosure.sent()
            written.add(disclosure)
          })
          batch.cancelled.forEach(disclosure => { disclosure.cancel() })
        }
      }

      for (const step of steps) {
        const key = blockKey(cids[step.which] as CID)

        switch (step.do) {
          case 'ask':
          case 'join': {
            const who = { ...waiter(step.which), asks: step.do === 'ask' }
            if (who.asks && wants.knows(key)) {
              break
            }
            if (!who.asks) {
              const askers = wants.upgrade(key)
              joined.filter(one => askers.includes(one.who)).forEach(one => { one.over = true })
            }
            joined.push({ who, wanted: wants.join(who), over: false })
            break
          }
          case 'leave': {
            const one = joined.find(one => !one.over && one.wanted.key === key)
            if (one != null) {
              one.over = true
              wants.leave(one.wanted, one.who)
            }
            break
          }
          case 'deliver': {
            // a peer sends what it was told, also where it was only asked whether it has it, and forgets it
            if (told.delete(key)) {
              const wanted = wants.deliver(key)
              if (wanted == null) {
                expect(wants.excuse(key) || broken).toBe(true)
              } else {
                over(wanted)
              }
            }
            break
          }
          case 'here': {
            if (told.get(key) === 'have') {
              told.delete(key)
              const wanted = wants.here(key)
              if (wanted != null) {
                over(wanted)
              }
            }
            break
          }
          case 'not-here': {
            const wanted = told.has(key) ? wants.notHere(key) : undefined
            if (wanted != null) {
              over(wanted)
            }
            break
          }
          case 'break':
            // what is lost twice is not said a third time
            if (!broken) {
              unread = []
              broken = true
              wants.rewind().forEach(over)
            }
            break
          case 'write':
            write()
            break
          case 'read':
            read()
            break
          default:
            clock.advance(1_000).catch((error: unknown) => { throw error })
        }
      }

      write()
      read()
      expect(wants.pending).toBe(false)
      const open = new Set(joined.filter(one => !one.over).map(one => one.wanted.key))
      expect(wants.size).toBe(open.size)
      // nothing is wanted that the peer does not know of, and it believes nothing that is over
      expect([...told.keys()].sort()).toEqual([...open].sort())
      for (const { wanted } of joined.filter(one => !one.over)) {
        expect(wanted.type === 'have' || told.get(wanted.key)).toBe(wanted.type === 'have' || 'block')
      }

      for (const { who } of joined) {
        expect(who.disclosure.state).not.toBe('intended')
        expect(who.disclosure.state === 'sent' || !written.has(who.disclosure)).toBe(true)
      }

      wants.clear()
      expect(wants.asked).toBe(false)
      expect(wants.size).toBe(0)
    }), { numRuns: 2_000 })
  })

  it('excuses a block that comes for each time that it was wanted: a CANCEL may be read after the next want was written', () => {
    const wants = new PeerWants(new VirtualClock())
    const first = waiter(1)
    wants.join(first)
    wants.take()
    wants.notHere(first.want.key)
    wants.take()
    const second = waiter(1)
    const wanted = wants.join(second)
    wants.take()
    wants.leave(wanted, second)

    for (const expected of [true, true, false]) {
      expect(wants.deliver(first.want.key)).toBeUndefined()
      expect(wants.excuse(first.want.key)).toBe(expected)
    }
  })

  it('is at most 256 lines at a time, cancels first', () => {
    const wants = new PeerWants(new VirtualClock())
    const many = Array.from({ length: 600 }, (_, i) => {
      const digest = new Uint8Array(32)
      new DataView(digest.buffer).setUint32(4, i + 1)
      const cid = CID.createV1(0x55, Digest.create(0x12, digest))
      return { ...waiter(0), want: { cid, key: blockKey(cid), maxBytes: 10 } }
    })
    const first = many[0] as Sample
    const wanted = wants.join(first)
    wants.take()
    wants.leave(wanted, first)
    many.slice(1).forEach(who => wants.join(who))
    const batch = wants.take()

    expect(batch?.message.wants).toHaveLength(256)
    expect(batch?.message.wants?.map(({ cancel }) => cancel === true).indexOf(true)).toBe(0)
  })
})

describe('a CANCEL whose stream is reset', () => {
  const cancelsIn = (wants: PeerWants): number => wants.take()?.message.wants?.filter(({ cancel }) => cancel === true).length ?? 0
  const cancelled = (): { wants: PeerWants, clock: VirtualClock, who: Sample } => {
    const clock = new VirtualClock()
    const wants = new PeerWants(clock)
    const who = waiter(1)
    const wanted = wants.join(who)
    wants.take()
    wants.leave(wanted, who)
    expect(cancelsIn(wants)).toBe(1)
    return { wants, clock, who }
  }

  it('is written once more, and not for ever', () => {
    const { wants } = cancelled()
    wants.rewind()
    expect(wants.pending).toBe(true)
    expect(cancelsIn(wants)).toBe(1)
    wants.rewind()
    expect(wants.pending).toBe(false)
  })

  it('was read when that was a while ago', async () => {
    const { wants, clock } = cancelled()
    await clock.advance(10_000)
    wants.rewind()
    expect(wants.pending).toBe(false)
  })

  it('is written for those too whom it has not reached, when the want that came after was never written', () => {
    const { wants, who } = cancelled()
    const next = waiter(1)
    const wanted = wants.join(next)
    wants.rewind()
    wants.leave(wanted, next)

    const batch = wants.take()
    expect(batch?.message.wants).toMatchObject([{ cancel: true }])
    expect(batch?.cancelled).toEqual([who.disclosure])
    expect(next.disclosure.state).toBe('not-sent')
  })

  it('cancels nothing twice', () => {
    const { wants, who } = cancelled()
    who.disclosure.cancel()
    const next = waiter(1)
    wants.leave(wants.join(next), next)
    expect(wants.take()).toMatchObject({ message: { wants: [{ cancel: true }] }, cancelled: [] })
  })

  it('is not written for what is wanted again', () => {
    const { wants, who } = cancelled()
    wants.join(who)
    wants.rewind()
    expect(wants.take()?.message.wants).toMatchObject([{ type: 'block' }])
    expect(wants.pending).toBe(false)
  })
})

describe('a question', () => {
  it('is a WANT-HAVE, answered by HAVE without a CANCEL, by DONT_HAVE with one, or by the block itself', () => {
    const wants = new PeerWants(new VirtualClock())
    const [one, two, three] = [1, 2, 3].map(i => ({ ...waiter(i), asks: true })) as Waiter[] as [Waiter, Waiter, Waiter]
    const asked = [one, two, three].map(who => wants.join(who))
    expect(wants.take()?.message.wants).toMatchObject([1, 2, 3].map(() => ({ type: 'have', sendDontHave: true })))

    expect(wants.here(one.want.key)).toBe(asked[0])
    expect(wants.pending).toBe(false)
    expect(wants.notHere(two.want.key)).toBe(asked[1])
    expect(wants.deliver(three.want.key)).toBe(asked[2])
    expect(wants.take()?.message.wants).toMatchObject([{ cid: two.want.cid, cancel: true }])
    expect(wants.size).toBe(0)
  })

  it('gives way to a want for the block, and a HAVE that crosses that is no answer', () => {
    const wants = new PeerWants(new VirtualClock())
    const asker = { ...waiter(1), asks: true }
    wants.join(asker)
    wants.take()
    expect(wants.upgrade(asker.want.key)).toEqual([asker])
    wants.join(waiter(1))
    expect(wants.take()?.message.wants).toMatchObject([{ type: 'block' }])
    expect(wants.here(asker.want.key)).toBeUndefined()
    expect(wants.knows(asker.want.key)).toBe(true)
  })

  it('is not put to who speaks a version without words for it', () => {
    const wants = new PeerWants(new VirtualClock())
    const asker = { ...waiter(1), asks: true }
    wants.join(asker)
    wants.join(waiter(2))
    expect(wants.unspeakable().map(({ cid }) => cid)).toEqual([asker.want.cid])
    expect(asker.disclosure.state).toBe('not-sent')
    expect(wants.take()?.message.wants).toHaveLength(1)
  })
})

function unfinished (dropped: string[] = [], name = ''): Unfinished {
  return { drop: () => { dropped.push(name) } }
}

describe('what a peer may send', () => {
  const prefix = { version: 1, codec: 0x55, hash: 0x12, digestLength: 32 } as const

  it('is a block of a kind that was asked for and is not too large, as soon as it was asked for', () => {
    const wants = new PeerWants(new VirtualClock())
    wants.join(waiter(1, 100))
    expect(wants.expects(prefix, 100, unfinished())).toBe('no')
    wants.take()
    expect(wants.expects(prefix, 100, unfinished())).toBe('yes')
    expect(wants.expects(prefix, 101, unfinished())).toBe('no')
    expect(wants.expects({ ...prefix, digestLength: 20 }, 10, unfinished())).toBe('no')
    expect(wants.expects({ ...prefix, hash: 0x13 }, 10, unfinished())).toBe('no')
  })

  it('is as many unfinished blocks at a time as are wanted, and what is beyond is not held against it', () => {
    const wants = new PeerWants(new VirtualClock())
    wants.join(waiter(1))
    wants.join(waiter(2))
    wants.take()
    const [first, second, third] = [unfinished(), unfinished(), unfinished()]
    expect([first, second, third].map(one => wants.expects(prefix, 10, one))).toEqual(['yes', 'yes', 'spare'])
    wants.finished(first)
    expect(wants.expects(prefix, 10, third)).toBe('yes')
    expect(wants.expects(prefix, 10, unfinished())).toBe('spare')
  })

  it('is dropped when nothing that is wanted backs it any more, but not what a CANCEL may have crossed', () => {
    const wants = new PeerWants(new VirtualClock())
    const [one, two] = [waiter(1), waiter(2)]
    const [first, second] = [wants.join(one), wants.join(two)]
    const dropped: string[] = []
    wants.take()
    wants.expects(prefix, 10, unfinished(dropped, 'first'))
    wants.expects(prefix, 10, unfinished(dropped, 'second'))
    wants.leave(first, one)
    expect(dropped).toEqual([])
    wants.leave(second, two)
    expect(dropped.sort()).toEqual(['first', 'second'])
    expect(wants.expects(prefix, 10, unfinished())).toBe('late')

    // before the CANCEL is written it is wanted again: what came of it is gone, so it is asked for again
    wants.join(one)
    expect(wants.take()?.message.wants?.filter(({ cancel }) => cancel !== true)).toHaveLength(1)
  })

  it('may come late, each once, and not for ever', async () => {
    const clock = new VirtualClock()
    const wants = new PeerWants(clock)
    const who = waiter(1)
    const wanted = wants.join(who)
    wants.take()
    wants.leave(wanted, who)
    expect(wants.expects(prefix, 10, unfinished())).toBe('late')
    expect(wants.expects(prefix, 10, unfinished())).toBe('no')

    const again = waiter(2)
    const other = wants.join(again)
    wants.take()
    wants.leave(other, again)
    await clock.advance(31_000)
    expect(wants.expects(prefix, 10, unfinished())).toBe('no')
  })
})

describe('bytes that arrive', () => {
  it('are shared among those that were asked a round trip ago, to the byte', async () => {
    const clock = new VirtualClock()
    const wants = new PeerWants(clock)
    const arrivals = new Arrivals(clock)
    const [first, second, third] = [waiter(1), waiter(2), waiter(3)]
    wants.join(first)
    wants.take()
    arrivals.asked()
    await clock.advance(100)
    arrivals.arrived(1_000, wants)
    expect(first.bytes).toBe(1_000)

    wants.join(second)
    wants.take()
    await clock.advance(50)
    arrivals.arrived(1_000, wants)
    expect([first.bytes, second.bytes]).toEqual([2_000, 0])

    await clock.advance(50)
    wants.join(third)
    wants.take()
    arrivals.arrived(1_001, wants)
    await clock.advance(20)
    arrivals.arrived(999, wants)
    expect([first.bytes, second.bytes, third.bytes]).toEqual([3_000, 1_000, 0])
  })

  it('are not taken for a want that the peer seems to have forgotten', async () => {
    const clock = new VirtualClock()
    const wants = new PeerWants(clock)
    const arrivals = new Arrivals(clock)
    const forgotten = waiter(0)
    wants.join(forgotten)
    wants.take()

    for (let i = 0; i < 200; i++) {
      const who = waiter(1)
      wants.join(who)
      wants.take()
      await clock.advance(30)
      arrivals.arrived(100, wants)
      wants.deliver(who.want.key)
    }

    expect(forgotten.bytes).toBeGreaterThan(0)
    expect(forgotten.bytes).toBeLessThan(2_000)
  })
})
