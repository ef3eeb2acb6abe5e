import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { compare } from './compare.ts'
import { RecordingLedger } from './recording-ledger.ts'
import { Sightings } from './sightings.ts'
import type { Comparison } from './compare.ts'

const OBSERVER = 'p2p:spy'
const KEY = 'block'

interface Scene {
  readonly sightings: Sightings
  readonly disclosure: Disclosure
  compared (): Comparison
}

/** A want that a spy saw, and that is in the ledger as sent */
function wanted (): Scene {
  const sightings = new Sightings()
  const ledger = new RecordingLedger()
  const disclosure = new Disclosure(ledger, { observer: OBSERVER, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', key: KEY, at: 0 })
  sightings.see(OBSERVER, 'bitswap', 'cid', KEY)
  disclosure.sent()
  return { sightings, disclosure, compared: () => compare({ sightings, entries: ledger.entries, blocks: new Set([KEY]), ports: new Set(), peers: new Set(['spy']), aliases: new Map() }) }
}

describe('a CANCEL that a spy saw', () => {
  const stream = {}
  const connection = {}

  it('is to be in the ledger', () => {
    const { sightings, disclosure, compared } = wanted()
    sightings.see(OBSERVER, 'bitswap', 'cid', KEY, 'cancelled', [stream, connection])
    expect(compared().faults).toEqual([expect.stringContaining('a CANCEL was seen, and the ledger has none')])

    disclosure.cancel()
    expect(compared().faults).toEqual([])
  })

  it.each([['stream', stream], ['connection', connection]])('need not be where its %s broke', (_, over) => {
    const { sightings, compared } = wanted()
    sightings.see(OBSERVER, 'bitswap', 'cid', KEY, 'cancelled', [stream, connection])
    sightings.broke(OBSERVER, over)
    expect(compared().faults).toEqual([])
  })

  it('is to be where only another stream broke', () => {
    const { sightings, compared } = wanted()
    sightings.see(OBSERVER, 'bitswap', 'cid', KEY, 'cancelled', [stream, connection])
    sightings.broke(OBSERVER, {})
    sightings.broke(OBSERVER)
    expect(compared().faults).toHaveLength(1)
  })
})

it('a CANCEL that nobody saw is not to be in the ledger', () => {
  const { disclosure, compared } = wanted()
  disclosure.cancel()
  expect(compared().faults).toEqual([expect.stringContaining('no CANCEL was seen')])
})
