import { describe, expect, it } from 'vitest'
import { privacyTable } from '../../src/cli/privacy-table.ts'
import type { ExposureReport } from '../../src/privacy/ledger/exposure-report.ts'

const REPORT: ExposureReport = {
  cid: 'bafkrei',
  result: 'delivered',
  exposures: [],
  parties: 2,
  byClass: { gateway: 2 },
  states: { intended: 0, sent: 2, 'not-sent': 0, unknown: 0 },
  cancelled: 0,
  unnamed: 0,
  unaccounted: []
}

function headline (report: Partial<ExposureReport>): string {
  return privacyTable({ ...REPORT, ...report }, (_, text) => text).split('\n', 1)[0] ?? ''
}

describe('the headline of who learnt of a block', () => {
  it.each<[Partial<ExposureReport>, string]>([
    [{}, 'bafkrei: 2 parties outside learnt of it, or may have (the last read: delivered)'],
    [{ parties: 1 }, 'bafkrei: 1 party outside learnt of it, or may have (the last read: delivered)'],
    // five messages may have gone to one
    [{ parties: 1, unnamed: 5 }, 'bafkrei: 1 party outside and others who are not recorded by name learnt of it, or may have (the last read: delivered)'],
    [{ parties: 0, unnamed: 5 }, 'bafkrei: others who are not recorded by name learnt of it, or may have (the last read: delivered)'],
    [{ parties: 0, result: 'cached' }, 'bafkrei: it was here already: of this read nobody outside learnt (the last read: cached)'],
    [{ parties: 0, result: undefined }, 'bafkrei: nobody outside is known to have learnt of it']
  ])('%o: %s', (report, line) => {
    expect(headline(report)).toBe(line)
  })

  it('counts disclosures that are not recorded by name apart from parties', () => {
    expect(privacyTable({ ...REPORT, unnamed: 5 }, (_, text) => text)).toContain('5 more disclosures are not recorded by name (ledger.allow, or too many)')
  })
})
