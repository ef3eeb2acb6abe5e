import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { DisclosureContext, Observer } from '../../../src/interface/disclosure.ts'

function disclose (ledger: DisclosureLedger, context: Partial<DisclosureContext>, observer: Observer = 'p2p:a'): Disclosure {
  return new Disclosure(ledger, { observer, form: 'cid', transport: 'dht', audience: 'one' }, { request: 'r', purpose: 'read', mode: 'balanced', at: 0, ...context })
}

/** Of whom an entry is, as the ledger has it */
const owners: ReadonlyArray<Partial<DisclosureContext>> = [{ client: '198.51.100.1' }, { client: '198.51.100.2', purpose: 'prefetch' }, { request: 'of its own' }, { purpose: 'prefetch' }, { purpose: 'announce' }]

describe('a full ledger', () => {
  it('leaves each of those who have little what is their share, whoever has much', () => {
    fc.assert(fc.property(fc.array(fc.nat(owners.length - 1), { maxLength: 150 }), fc.integer({ min: 320, max: 900 }), fc.nat(4_000), fc.constantFrom<Array<Partial<DisclosureContext>>>({ client: 'x' }, { request: 'a walk' }, { purpose: 'serve' }), (few, maxEntries, flood, busy) => {
      const share = Math.floor(maxEntries / 32)
      const ledger = new DisclosureLedger({ clock: new VirtualClock() }, { maxEntries })
      few.forEach((owner, i) => { disclose(ledger, { ...owners[owner], key: `${owner}-${i}` }).sent() })
      for (let i = 0; i < flood; i++) {
        disclose(ledger, { ...busy, key: `flood-${i}` }).sent()
      }

      const kept = ledger.entries().map(({ subject = '' }) => subject)
      const all = [...few.map((owner, i) => `${owner}-${i}`), ...Array.from({ length: flood }, (_, i) => `flood-${i}`)]
      expect(kept).toHaveLength(Math.min(maxEntries, all.length))
      expect(kept, 'in the order in which they came').toEqual(all.filter(key => kept.includes(key)))
      owners.forEach((_, owner) => {
        const of = (keys: readonly string[]): string[] => keys.filter(key => key.startsWith(`${owner}-`)).slice(-share)
        expect(of(kept)).toEqual(of(all))
      })
      // whoever has much has its newest
      expect(kept.filter(key => key.startsWith('flood'))).toEqual(all.slice(few.length).slice(-kept.filter(key => key.startsWith('flood')).length || all.length))
      expect(ledger.stats()).toMatchObject({ total: all.length, states: { sent: all.length }, entries: kept.length })
    }), { numRuns: 40 })
  }, 60_000)

  it('still explains what one client read when another one has made 170 look-ups, and a thousand', () => {
    const ledger = new DisclosureLedger({ clock: new VirtualClock() })
    for (let hop = 0; hop < 60; hop++) {
      disclose(ledger, { client: '198.51.100.1', request: 'quiet', key: 'wanted' }, `p2p:${hop}`).sent()
      disclose(ledger, { request: 'of this node', key: 'own' }, `p2p:${hop}`).sent()
    }
    for (let lookup = 0; lookup < 1_000; lookup++) {
      for (let hop = 0; hop < 60; hop++) {
        disclose(ledger, { client: '203.0.113.9', request: `r${lookup}`, key: `k${lookup}` }, `p2p:${hop}`).sent()
      }
      if (lookup === 170 || lookup === 999) {
        expect([ledger.about('wanted').length, ledger.about('own').length]).toEqual([60, 60])
      }
    }
    expect(ledger.about('k999'), 'and what the busy one read last').toHaveLength(60)
    expect(ledger.stats()).toMatchObject({ total: 60_120, entries: 10_000 })
  })

  it('keeps what peers are served from pushing out what was read, each of them and all', () => {
    const ledger = new DisclosureLedger({ clock: new VirtualClock() }, { maxEntries: 1_000 })
    disclose(ledger, { request: 'mine', key: 'mine' })
    for (let i = 0; i < 5_000; i++) {
      disclose(ledger, { request: `s${i}`, purpose: 'serve', key: `k${i}` }, `p2p:${i % 3}`).sent()
    }
    expect(ledger.about('mine')).toMatchObject([{ state: 'intended' }])
  })

  it('knows what came of an entry that was spared for long', () => {
    const ledger = new DisclosureLedger({ clock: new VirtualClock() }, { maxEntries: 64 })
    const early = disclose(ledger, { request: 'early', key: 'early' })
    for (let i = 0; i < 10_000; i++) {
      disclose(ledger, { client: 'x', key: `k${i}` }).sent()
    }
    early.sent()
    early.cancel()
    expect(ledger.about('early')).toMatchObject([{ state: 'sent', cancelled: true }])
    expect(ledger.stats()).toMatchObject({ total: 10_001, states: { sent: 10_001, intended: 0 }, cancelled: 1, entries: 64 })
  })

  it('is a plain ring where nobody has more than others, and again when whoever had is too old', async () => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock }, { maxEntries: 640, maxAge: 1_000 })
    disclose(ledger, { request: 'old', key: 'old' })
    for (let i = 0; i < 5_000; i++) {
      disclose(ledger, { client: 'x', key: `k${i}` })
    }
    expect(ledger.about('old')).toHaveLength(1)
    await clock.run(clock.sleep(1_001))
    expect(ledger.entries()).toEqual([])
    for (let i = 0; i < 2_000; i++) {
      disclose(ledger, { request: `r${i % 200}`, key: `n${i}` })
    }
    expect(ledger.entries().map(({ subject }) => subject)).toEqual(Array.from({ length: 640 }, (_, i) => `n${1_360 + i}`))
  })

  it('holds a few of those with very long names, and the newest of them', () => {
    const ledger = new DisclosureLedger({ clock: new VirtualClock() }, { maxEntries: 1_000 })
    disclose(ledger, { request: 'short', key: 'short' }).sent()
    for (let i = 0; i < 900; i++) {
      disclose(ledger, { request: `${i}-${'€'.repeat(2_000)}`, key: `k${i}`, client: '€'.repeat(2_000) }).sent()
    }
    const kept = ledger.entries()
    expect(kept.map(({ subject }) => subject)).toEqual(['short', ...Array.from({ length: 62 }, (_, i) => `k${838 + i}`)])
    expect(kept.at(-1)?.request).toBe(`899-${'€'.repeat(507)}…`)
    expect(ledger.stats()).toMatchObject({ total: 901, states: { sent: 901 } })
  })
})
