import { expect, it } from 'vitest'
import { countsUnderChurn } from '../privacy/collector/support/churn-counts.ts'

it('counts 200 real peers exactly while half of them leave and rejoin for a minute and a part is cut off, and judges them right', async () => {
  const { truth, report } = await countsUnderChurn(200, 60_000, 1_000)
  expect(truth.sessions.size).toBe(200)
  // one of them asks by the clock
  expect(report.risks.filter(({ kind }) => kind === 'periodic-traffic').map(({ subjects }) => subjects)).toEqual([[truth.metronome]])
}, 240_000)
