import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { DisclosureInit } from '../../../src/interface/disclosure.ts'

const init: DisclosureInit = { observer: 'p2p:a', form: 'cid', transport: 'bitswap', audience: 'one' }

function disclose (ledger: DisclosureLedger, changes: Partial<DisclosureInit> = {}, context: { request?: string, key?: string, at?: number, client?: string } = {}): Disclosure {
  return new Disclosure(ledger, { ...init, ...changes }, { request: 'r1', purpose: 'read', mode: 'balanced', key: 'k1', at: 1_000, ...context })
}

describe('a ledger of disclosures', () => {
  it('knows who learnt what, in which state', () => {
    const ledger = new DisclosureLedger({ clock: new VirtualClock() })
    const first = disclose(ledger, {}, { client: 'c' })
    disclose(ledger, { observer: 'https:gateway.example', transport: 'https' }, { request: 'r2', key: 'k2' }).notSent()

    expect(ledger.about('k1')).toEqual([{
      at: 1_000,
      request: 'r1',
      purpose: 'read',
      mode: 'balanced',
      observer: 'p2p:a',
      observerClass: 'peer',
      subject: 'k1',
      client: 'c',
      form: 'cid',
      transport: 'bitswap',
      audience: 'one',
      state: 'intended',
      cancelled: false
    }])
    first.sent()
    first.cancel()
    expect(ledger.entries().map(({ state, cancelled, observerClass }) => [state, cancelled, observerClass])).toEqual([['sent', true, 'peer'], ['not-sent', false, 'gateway']])
    expect(ledger.entries({ request: 'r2' })).toHaveLength(1)
    expect(ledger.stats()).toMatchObject({ total: 2, states: { intended: 0, sent: 1, 'not-sent': 1, unknown: 0 }, cancelled: 1, entries: 2 })
  })
})
