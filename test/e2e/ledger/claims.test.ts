import { describe, expect, it } from 'vitest'
import { contradictions } from './claims.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

const ENTRY: DisclosureEntry = {
  observer: 'p2p:spy',
  form: 'cid',
  transport: 'bitswap',
  audience: 'one',
  request: 'r',
  purpose: 'read',
  mode: 'balanced',
  at: 0,
  state: 'sent',
  cancelled: false
}

describe('what no spy can see of an entry', () => {
  it.each<[string, Partial<DisclosureEntry>]>([
    ['audience many', { audience: 'many' }],
    ['audience unbounded', { audience: 'unbounded' }],
    ['audience one', { transport: 'foreign', observer: 'broker:theirs' }],
    ['audience one', { transport: 'foreign', observer: 'router:theirs' }],
    ['audience unbounded', { transport: 'foreign', audience: 'unbounded' }],
    ['mode open of a node in mode balanced', { mode: 'open' }],
    ['mode strict of a node in mode balanced', { mode: 'strict' }],
    ['encrypted', { transport: 'https', observer: 'http:127.0.0.1:80' }],
    ['encrypted', { transport: 'rediss', observer: 'party:redis' }]
  ])('contradicts the rest of it: %s', (what, changes) => {
    const { observer, transport } = { ...ENTRY, ...changes }
    expect(contradictions([ENTRY, { ...ENTRY, ...changes }], 'balanced')).toEqual([`${what}: read ${transport} cid ${observer}`])
  })

  it.each<[Partial<DisclosureEntry>]>([
    [{}],
    [{ audience: 'many' }],
    [{ mode: 'strict' }],
    [{ transport: 'foreign', observer: 'router:theirs', audience: 'unbounded' }],
    [{ transport: 'foreign' }]
  ])('does not, on a node in mode open: %j', changes => {
    expect(contradictions([{ ...ENTRY, ...changes }], 'open')).toEqual([])
  })
})
