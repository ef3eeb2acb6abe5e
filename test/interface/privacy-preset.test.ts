import { describe, expect, it } from 'vitest'
import { PRIVACY_PRESETS, modeStats, presetOf, switchesOf } from '../../src/interface/privacy-preset.ts'

describe('the preset of a mode', () => {
  it('takes away more from mode to mode, and gives nothing back', () => {
    const { open, balanced, strict } = PRIVACY_PRESETS
    for (const name of Object.keys(open) as Array<keyof typeof open>) {
      expect(balanced[name] === open[name] || strict[name] !== open[name], name).toBe(true)
    }
    expect(open).toMatchObject({ brokers: 'all', connectedPeers: true, hedges: true, lookupDelay: 0, agent: 'full', privateAddresses: true })
    expect(Object.isFrozen(PRIVACY_PRESETS) && Object.values(PRIVACY_PRESETS).every(Object.isFrozen)).toBe(true)
  })

  it('is changed for the mode of the node only by what it sets otherwise', () => {
    const switches = switchesOf('strict', { hedges: true, agent: undefined })
    expect(switches('strict')).toEqual({ ...PRIVACY_PRESETS.strict, hedges: true })
    expect(switches('balanced')).toBe(PRIVACY_PRESETS.balanced)
    expect(switchesOf('balanced', { hedges: true })('strict')).toBe(PRIVACY_PRESETS.strict)
    expect(presetOf('open')).toBe(PRIVACY_PRESETS.open)
  })

  it('is told with what differs from it', () => {
    expect(modeStats('strict', { hedges: false, lookupDelay: 5, agent: undefined })).toEqual({ name: 'strict', overrides: { lookupDelay: 5 } })
    expect(modeStats('open')).toEqual({ name: 'open', overrides: {} })
  })
})
