import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_ADDRESS_BOOK } from '../../../src/discovery/addresses/address-book-params.ts'
import { AddressBook } from '../../../src/discovery/addresses/address-book.ts'
import { RECORD_LASTING, RELAYED_LASTING } from '../../../src/discovery/lasting.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const PEER = '12D3KooWGRUVh6mDSpvgkPYFLgPnbWnLdBVeVqwdf1cFvFqhRrCK'
const OTHER = '12D3KooWJ2WQCJ6MbCyvVTUV3Fs8mXPtkAq4VkkCrzTWLAVQc3Hh'
const { interval, longest, named } = DEFAULT_ADDRESS_BOOK

const at = (n: number): string => `/ip4/192.0.2.${n}/tcp/4001`
const nobody = (): boolean => false

/** Somebody can be reached: what fails now is gone */
function online (): AddressBook {
  const book = new AddressBook()
  book.alive(0)
  return book
}

function texts (book: AddressBook, now = 0, peer = PEER): string[] {
  return book.addresses(peer, now).map(({ text }) => text)
}

describe('what is known of the addresses of a peer', () => {
  it('puts what works first, then what nobody has tried, and leaves out what fails', () => {
    const book = online()
    book.told(PEER, [at(1), at(2), at(3)], 0)
    book.reached(PEER, `${at(2)}/p2p/${PEER}`, 1)
    book.failed(PEER, at(1), 1, 2, 0)
    expect(texts(book, 2)).toEqual([at(2), at(3)])
    book.told(PEER, [at(4)], 3, true)
    expect(texts(book, 3)).toEqual([at(2), at(4), at(3)])
    // once is an accident where it has worked
    book.failed(PEER, at(2), 1, 4, 0)
    expect(texts(book, 4)).toEqual([at(4), at(3), at(2)])
    book.failed(PEER, at(2), 1, 5, 0)
    expect(texts(book, 5)).toEqual([at(4), at(3)])
    book.reached(PEER, at(1), 6)
    expect(texts(book, 6)).toEqual([at(1), at(4), at(3)])
  })

  it('has those that fail as long as there is no other', () => {
    const book = online()
    book.told(PEER, [at(1), at(2)], 0)
    book.failed(PEER, at(1), 0, 1, 0)
    book.failed(PEER, at(2), 0, 1, 0)
    book.failed(PEER, at(1), 0, 2, 0)
    expect(texts(book, 2)).toEqual([at(2), at(1)])
  })

  it('believes a failure only where somebody else could be reached at that time', () => {
    const book = new AddressBook()
    book.told(PEER, [at(1), at(2)], 0)
    book.reached(PEER, at(1), 0)
    book.failed(PEER, at(1), 10, 5_000, 0)
    book.failed(PEER, at(1), 5_000, 9_000, 0)
    expect(book.get(PEER, at(1))?.failures).toBe(0)
    // the first one is too long ago to be explained by this
    book.alive(15_500)
    expect(book.get(PEER, at(1))?.failures).toBe(1)
    book.failed(PEER, at(1), 20_000, 20_001, 0)
    book.alive(50_000)
    expect(book.get(PEER, at(1))?.failures).toBe(1)
    book.failed(PEER, at(1), 49_000, 50_001, 0)
    expect(book.get(PEER, at(1))?.failures).toBe(2)
  })

  it('forgets after 48 h, and relays after two', () => {
    const book = new AddressBook()
    const relayed = `${at(2)}/p2p/${OTHER}/p2p-circuit`
    book.told(PEER, [at(1), relayed], 0)
    book.reached(PEER, at(1), 1_000)
    expect(texts(book, RELAYED_LASTING - 1)).toEqual([at(1), relayed])
    expect(texts(book, RELAYED_LASTING)).toEqual([at(1)])
    expect(texts(book, RECORD_LASTING + 999)).toEqual([at(1)])
    expect(texts(book, RECORD_LASTING + 1_000)).toEqual([])
    book.prune(RECORD_LASTING + 1_000)
    expect(book.size).toBe(0)
  })

  it('keeps eight, and never gives up what has worked for hearsay', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('told', 'reached', 'failed'), fc.integer({ min: 1, max: 20 })), { maxLength: 60 }), steps => {
      const book = online()
      const worked = new Set<string>()
      let now = 0

      for (const [what, n] of steps) {
        now++
        if (what === 'told') {
          book.told(PEER, [at(n)], now)
          expect([...worked].filter(text => book.get(PEER, text) == null)).toEqual([])
        } else if (what === 'reached') {
          book.told(PEER, [at(99)], now)
          book.reached(PEER, at(n), now)
          worked.clear()
          book.addresses(PEER, now).filter(({ reached }) => reached != null).forEach(({ text }) => { worked.add(text) })
          expect(book.addresses(PEER, now)[0]).toMatchObject({ text: at(n), failures: 0 })
        } else {
          book.failed(PEER, at(n), now, now, 0)
          const failures = book.get(PEER, at(n))?.failures ?? 0
          if (failures >= 3) {
            worked.delete(at(n))
          }
        }
        expect(book.addresses(PEER, now).length).toBeLessThanOrEqual(8)
      }
    }))
  })

  it('knows so many peers and no more, and gives up those first that nobody ever reached', () => {
    const book = new AddressBook({ ...DEFAULT_ADDRESS_BOOK, peers: 3 })
    book.told('1a', [at(1)], 0)
    book.reached('1a', at(1), 0)
    book.told('1b', [at(2)], 0)
    book.told('1c', [at(3)], 0)
    book.told('1d', [at(4)], 0)
    expect(['1a', '1b', '1c', '1d'].map(peer => book.has(peer))).toEqual([true, false, true, true])
    expect(book.counts()).toEqual({ known: 3, addresses: 3, good: 1, dead: 0 })
  })

  it('knows those who were reached after a flood of names that lead nowhere', () => {
    const book = new AddressBook({ ...DEFAULT_ADDRESS_BOOK, peers: 1_000 })
    const good = Array.from({ length: 500 }, (_, i) => `good${i}`)
    good.forEach(peer => {
      book.told(peer, [at(1)], 0)
      book.reached(peer, at(1), 0)
    })
    for (let i = 0; i < 20_000; i++) {
      book.told(`flood${i}`, [at(2)], i)
    }
    expect(book.size).toBe(1_000)
    expect(good.filter(peer => book.has(peer)).length).toBeGreaterThan(480)
  })
})

describe('what is due for a probe', () => {
  it('is only what is worth it, and not what is connected or known to work', () => {
    const book = new AddressBook()
    book.told(PEER, [at(1), at(2)], 0)
    expect(book.due(0, 20, nobody)).toEqual([])
    book.worth(PEER, 'named', 0)
    expect(book.due(0, 20, peer => peer === PEER)).toEqual([])
    expect(book.due(named, 20, nobody)).toEqual([])
    const [probe] = book.due(0, 20, nobody)
    expect(probe).toEqual({ peer: PEER, address: at(1) })
    // one at a time
    expect(book.due(0, 20, nobody)).toEqual([])
    book.reached(PEER, at(1), 10)
    book.probed({ peer: PEER, address: at(1) }, 10)
    expect(book.due(interval + 9, 20, nobody)).toEqual([])
    expect(book.due(interval + 10, 20, nobody)).toEqual([{ peer: PEER, address: at(1) }])
  })

  it('comes after 15 minutes, then 30, …, up to 8 hours, a quarter of it by chance', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 12 }), (roll, failures) => {
      const book = online()
      book.told(PEER, [at(1)], 0)
      for (let i = 0; i < failures; i++) {
        book.failed(PEER, at(1), 0, 0, roll)
      }
      const expected = Math.min(longest, interval * 2 ** (Math.min(8, failures) - 1))
      const due = book.get(PEER, at(1))?.due ?? 0
      expect(due).toBeGreaterThanOrEqual(expected * 0.75)
      expect(due).toBeLessThan(expected * 1.25)
    }))
  })

  it('is twenty at most, those who delivered first, and one a host', () => {
    const book = new AddressBook()
    for (let i = 0; i < 100; i++) {
      book.told(`1${i}`, [`/ip4/192.0.2.${i % 50}/tcp/${4_000 + i}`], 0)
      book.worth(`1${i}`, 'named', i)
    }
    book.worth('17', 'delivered', 0)
    const due = book.due(0, 20, nobody)
    expect(due).toHaveLength(20)
    expect(due[0]?.peer).toBe('17')
    expect(new Set(due.map(({ address }) => address.split('/')[2])).size).toBe(20)
    expect(book.due(0, 100, nobody)).toHaveLength(50)
  })

  it('is nothing of a probe that told nothing, for the interval', () => {
    const book = new AddressBook()
    book.told(PEER, [at(1)], 0)
    book.worth(PEER, 'named', 0)
    const [probe] = book.due(0, 1, nobody)
    book.probed(probe as { peer: string, address: string }, 5)
    expect(book.due(6, 1, nobody)).toEqual([])
    expect(book.due(interval + 5, 1, nobody)).toHaveLength(1)
  })
})

describe('addresses that are kept', () => {
  const entry = (id: string, init: object = {}): object => ({ id, addresses: [{ address: at(1), told: 1_000, failures: 0, own: false, ...init }] })

  it('come back as they were, and as old as they are', () => {
    const clock = new VirtualClock()
    const book = online()
    book.told(PEER, [at(1), at(2), at(3)], clock.now())
    book.reached(PEER, at(2), clock.now())
    book.failed(PEER, at(1), 0, clock.now(), 0)
    const [[, stored] = []] = book.kept(clock).takeDirty(10)
    const again = new AddressBook()
    again.kept(clock).restore(JSON.parse(JSON.stringify(stored)))
    expect(texts(again, clock.now())).toEqual([at(2), at(3)])
    expect(again.counts()).toEqual(book.counts())
    // nothing is worth a probe that was not named in this run, and no crowd comes at the start
    expect(again.due(clock.now(), 20, nobody)).toEqual([])
    again.worth(PEER, 'named', clock.now())
    expect(again.due(clock.now(), 20, nobody)).toEqual([])
    expect(book.kept(clock).takeDirty(10)).toEqual([])
  })

  it('are not taken for younger than they can be, nor for ever', () => {
    const clock = new VirtualClock()
    const book = new AddressBook()
    book.kept(clock).restore(entry(PEER, { told: clock.wall() + 10 * RECORD_LASTING }))
    expect(texts(book, clock.now())).toEqual([at(1)])
    expect(texts(book, clock.now() + RECORD_LASTING / 2)).toEqual([])
    book.kept(clock).restore(entry(OTHER, { told: clock.wall() - RECORD_LASTING }))
    expect(book.has(OTHER)).toBe(false)
    // and is taken out of the store
    expect(book.kept(clock).takeDirty(10)).toEqual([[OTHER, undefined]])
  })

  it.each([
    ['nothing', undefined],
    ['a text', 'x'],
    ['no id', { addresses: [] }],
    ['an id that is none', entry('../etc')],
    ['too many addresses', { id: PEER, addresses: Array.from({ length: 9 }, () => ({ address: at(1), told: 0, failures: 0, own: false })) }],
    ['an address that is none', entry(PEER, { address: 'x' })],
    ['an address of a peer', entry(PEER, { address: `${at(1)}/p2p/${OTHER}` })],
    ['no time', entry(PEER, { told: '1' })],
    ['a count below nothing', entry(PEER, { failures: -1 })],
    ['half a failure', entry(PEER, { failures: 0.5 })],
    ['somebody who may have made it up', entry(PEER, { own: 1 })]
  ])('are refused where they are %s', (_, stored) => {
    const book = new AddressBook()
    expect(() => { book.kept(new VirtualClock()).restore(stored) }).toThrow(TypeError)
    expect(book.size).toBe(0)
  })
})
