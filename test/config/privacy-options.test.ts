import { createHeliaLight } from 'helia'
import { describe, expect, it } from 'vitest'
import { checkOfOurNode, lookupDelay, privacyOptions, privacyOverrides } from '../../src/config/privacy-options.ts'
import { withContentRouting } from '../../src/index.ts'
import { checkOverrides } from '../../src/routing/privacy-overrides.ts'

const defaults = Object.fromEntries(Object.entries(privacyOptions).map(([key, option]) => [key, option.default])) as Parameters<typeof privacyOverrides>[0]

describe('switches that are about the libp2p node', () => {
  it('are refused where the node is the user\'s own', () => {
    expect(() => { checkOfOurNode({ hedges: true, lookupDelay: 5, agent: undefined }) }).not.toThrow()
    for (const privacy of [{ agent: 'full' }, { privateAddresses: true }, { lookupIdentity: 'node' }] as const) {
      expect(() => { withContentRouting(createHeliaLight(), { privacy }) }).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('is about the libp2p node, which you put together yourself') as string }) as Error)
    }
  })
})

describe('switches of the mode in the configuration', () => {
  it('are those of the mode unless somebody says otherwise', () => {
    expect(privacyOverrides(defaults)).toEqual({})
  })

  it.each([
    [{ 'privacy.hedges': 'on' }, { hedges: true }],
    [{ 'privacy.hedges': 'off' }, { hedges: false }],
    [{ 'privacy.lookupIdentity': 'separate' }, { lookupIdentity: 'separate' }],
    [{ 'privacy.lookupDelay': '0' }, { lookupDelay: 0 }],
    [{ 'privacy.lookupDelay': '2s' }, { lookupDelay: 2_000 }],
    [{ 'privacy.agent': 'full' }, { agent: 'full' }],
    [{ 'privacy.privateAddresses': 'tell' }, { privateAddresses: true }],
    [{ 'privacy.privateAddresses': 'hide' }, { privateAddresses: false }]
  ])('%j is %j', (values, overrides) => {
    expect(privacyOverrides({ ...defaults, ...values })).toEqual(overrides)
    expect(checkOverrides(overrides)).toEqual(overrides)
  })

  it.each(['', '-1', '1.5s', '31s', '30001', '1h', 'soon', '99999999s'])('a delay of %j is refused', text => {
    expect(() => lookupDelay(text)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('must be mode, or milliseconds from 0 to 30000') as string }) as Error)
  })
})
