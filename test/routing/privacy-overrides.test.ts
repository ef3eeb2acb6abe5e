import { describe, expect, it } from 'vitest'
import { checkOverrides } from '../../src/routing/privacy-overrides.ts'
import { routingParams } from '../../src/routing/params.ts'

describe('switches that are set apart from the mode', () => {
  it('are taken as they are', () => {
    const given = { hedges: true, lookupIdentity: 'node', lookupDelay: 0, agent: 'full', privateAddresses: false } as const
    expect(checkOverrides(given)).toEqual(given)
    expect(checkOverrides()).toEqual({})
    expect(routingParams({ privacy: { hedges: undefined } }).privacy).toEqual({ hedges: undefined })
  })

  it.each([
    [5, 'Expected privacy to be an object of switches, got 5'],
    [null, 'Expected privacy to be an object of switches, got null'],
    [{ relays: 'any' }, 'privacy has no switch "relays" that can be set by itself, it has hedges, lookupIdentity, lookupDelay, agent, privateAddresses'],
    [{ hedges: 'yes' }, 'privacy.hedges must be true or false, got "yes"'],
    [{ lookupIdentity: 'other' }, 'privacy.lookupIdentity must be node or separate, got "other"'],
    [{ lookupDelay: -1 }, 'privacy.lookupDelay must be a whole number of milliseconds from 0 to 30000, got -1'],
    [{ lookupDelay: 30_001 }, 'got 30001'],
    [{ lookupDelay: Number.NaN }, 'privacy.lookupDelay must be'],
    [{ agent: 'kubo/0.36.0' }, 'privacy.agent must be common or full, got "kubo/0.36.0"'],
    [{ privateAddresses: 1 }, 'privacy.privateAddresses must be true or false, got 1']
  ])('%j is refused', (privacy, why) => {
    expect(() => routingParams({ privacy: privacy as never })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining(why) as string }) as Error)
  })
})
