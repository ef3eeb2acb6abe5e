import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { compare } from './compare.ts'
import { SLACK } from './doubts.ts'
import { RecordingLedger } from './recording-ledger.ts'
import { Sightings, instant } from './sightings.ts'
import type { Comparison } from './compare.ts'
import type { Channel } from './sightings.ts'

const SPY = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
const OBSERVER = `p2p:${SPY}` as const
const KEY = 'block'

interface Scene {
  readonly sightings: Sightings
  readonly connection: Channel
  /** Of the connection */
  readonly stream: Channel
  intended (key?: string): Disclosure
  seen (over?: Channel, key?: string): void
  compared (): Comparison
}

function scene (): Scene {
  const sightings = new Sightings()
  const ledger = new RecordingLedger()
  const connection = sightings.channel(OBSERVER, 'any')
  const stream = sightings.channel(OBSERVER, 'dht', connection)
  return {
    sightings,
    connection,
    stream,
    intended: (key = KEY) => new Disclosure(ledger, { observer: OBSERVER, form: 'multihash', transport: 'dht', audience: 'one' }, { request: 'r', purpose: 'read', key, at: 0 }),
    seen: (over = stream, key = KEY) => { sightings.see(over, OBSERVER, 'dht', 'multihash', key) },
    compared: () => compare({ sightings, entries: ledger.entries, blocks: new Set([KEY, 'other']), ports: new Set(), peers: new Set([SPY]), aliases: new Map() })
  }
}

/** Later than either side may hear of anything */
async function later (): Promise<void> {
  for (const until = instant() + 2 * SLACK; instant() < until;) {
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** A want that a spy saw, and that is in the ledger as sent */
function wanted (): Scene & { readonly disclosure: Disclosure, cancels (): void } {
  const it = scene()
  const ledger = new RecordingLedger()
  const stream = it.sightings.channel(OBSERVER, 'bitswap', it.connection)
  const disclosure = new Disclosure(ledger, { observer: OBSERVER, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', key: KEY, at: 0 })
  it.sightings.see(stream, OBSERVER, 'bitswap', 'cid', KEY)
  disclosure.sent()
  return {
    ...it,
    stream,
    disclosure,
    cancels: () => { it.sightings.see(stream, OBSERVER, 'bitswap', 'cid', KEY, 'cancelled') },
    compared: () => compare({ sightings: it.sightings, entries: ledger.entries, blocks: new Set([KEY]), ports: new Set(), peers: new Set([SPY]), aliases: new Map() })
  }
}

describe('a CANCEL that a spy saw', () => {
  it('is to be in the ledger', () => {
    const { cancels, disclosure, compared } = wanted()
    cancels()
    expect(compared().faults).toEqual([expect.stringMatching(/^missing: 1 of 1 × bitswap cancelled/)])

    disclosure.cancel()
    expect(compared().faults).toEqual([])
  })

  it.each(['stream', 'connection'] as const)('need not be where its %s broke', what => {
    const it = wanted()
    it.cancels()
    it.sightings.broke(it[what], 'spy')
    expect(it.compared()).toMatchObject({ faults: [], sum: { excused: new Map([['their stream broke behind them', 1]]) } })
  })

  it('is to be where only another stream broke', () => {
    const { cancels, sightings, compared } = wanted()
    cancels()
    sightings.broke(sightings.channel(OBSERVER, 'bitswap'), 'spy')
    expect(compared().faults).toHaveLength(1)
  })
})

it('a CANCEL that nobody saw is not to be in the ledger', () => {
  const { disclosure, compared } = wanted()
  disclosure.cancel()
  expect(compared().faults).toEqual([expect.stringMatching(/^extra: 1 of 1 × bitswap cancelled/)])
})

describe('what the ledger does not know', () => {
  it.each(['stream', 'connection'] as const)('is right where its %s broke behind it', what => {
    const it = scene()
    const disclosure = it.intended()
    it.seen()
    it.sightings.broke(it[what], 'spy')
    disclosure.unknown()
    expect(it.compared()).toMatchObject({ faults: [], sum: { causes: new Map([['read, ended by the spy', 1]]) } })
  })

  it('is a fault where it was seen, and nothing broke', () => {
    const { intended, seen, compared } = scene()
    const disclosure = intended()
    seen()
    disclosure.unknown()
    const { baseless, faults } = compared()
    expect(baseless).toEqual([disclosure])
    expect(faults).toEqual([expect.stringContaining('unknown without a broken connection')])
  })

  it('is a fault where it was seen, and another stream of the same peer broke', () => {
    const { intended, seen, sightings, connection, compared } = scene()
    const disclosure = intended()
    seen()
    sightings.broke(sightings.channel(OBSERVER, 'dht', connection), 'spy')
    disclosure.unknown()
    expect(compared().baseless).toEqual([disclosure])
  })

  it('is a fault where its connection was closed in order', () => {
    const { intended, seen, sightings, connection, compared } = scene()
    const disclosure = intended()
    seen()
    sightings.broke(connection, 'node', true)
    disclosure.unknown()
    expect(compared().baseless).toEqual([disclosure])
  })

  it('is a fault where the node itself broke off what was read', () => {
    const { intended, seen, sightings, stream, compared } = scene()
    const disclosure = intended()
    seen()
    sightings.broke(stream, 'node')
    disclosure.unknown()
    expect(compared().baseless).toEqual([disclosure])
  })

  it.each(['before', 'after'])('is a fault where the stream broke long %s', async when => {
    const { intended, seen, sightings, stream, compared } = scene()
    const other = sightings.channel(OBSERVER, 'dht')
    if (when === 'before') {
      sightings.broke(stream, 'spy')
      await later()
    }
    const disclosure = intended()
    seen(other)
    disclosure.unknown()
    if (when === 'after') {
      await later()
      sightings.broke(other, 'spy')
    }
    expect(compared().baseless).toEqual([disclosure])
  })

  it('is excused by a break once for each that was read', () => {
    const { intended, seen, sightings, stream, compared } = scene()
    const [first, second] = [intended(), intended()]
    seen()
    seen(sightings.channel(OBSERVER, 'dht'))
    sightings.broke(stream, 'spy')
    first.unknown()
    second.unknown()
    expect(compared().baseless).toHaveLength(1)
  })

  it('may have been lost where nobody read it, with all that was lost at that moment', async () => {
    const { intended, sightings, stream, compared } = scene()
    const [first, second] = [intended(), intended('other')]
    const late = intended('other')
    sightings.broke(stream, 'spy')
    first.unknown()
    second.unknown()
    expect(compared().faults).toEqual([expect.stringContaining('unsettled')])
    await later()
    late.unknown()
    expect(compared()).toMatchObject({ baseless: [late], sum: { causes: new Map([['unread, ended by the spy', 2]]) } })
  })

  it('cannot have been lost where nothing broke', () => {
    const { intended, compared } = scene()
    const disclosure = intended()
    disclosure.unknown()
    expect(compared().baseless).toEqual([disclosure])
  })
})
