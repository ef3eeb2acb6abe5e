import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { privacyTable } from '../../src/cli/privacy-table.ts'
import { displayWidth } from '../../src/privacy/report/display-width.ts'
import type { ExposureReport, ReportedExposure } from '../../src/privacy/ledger/exposure-report.ts'

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

const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const AT = Date.UTC(2026, 10, 22, 5, 28, 31)

function exposure (init: Partial<ReportedExposure> = {}): ReportedExposure {
  return {
    at: AT,
    request: 'r1',
    purpose: 'read',
    mode: 'balanced',
    observer: 'http:127.0.0.1:8080',
    observerClass: 'gateway',
    form: 'cid',
    transport: 'http',
    audience: 'one',
    state: 'sent',
    cancelled: false,
    need: 'delivered',
    why: 'it delivered',
    ...init
  }
}

function lines (exposures: readonly ReportedExposure[], width?: number, cid = CID): string[] {
  return privacyTable({ ...REPORT, cid, exposures }, (_, text) => text, width).split('\n')
}

describe('the table of who learnt of a block', () => {
  const two = [exposure(), exposure({ form: 'none', transport: 'dial', need: 'connected', why: 'a connection' })]

  it('says in which time zone its times are', () => {
    expect(lines(two, 100).slice(-6)).toEqual([
      '',
      'WHEN (UTC)           PARTY                KIND     LEARNT  OVER  STATE  NEEDED',
      '2026-11-22 05:28:31  http:127.0.0.1:8080  gateway  cid     http  sent   yes: it delivered',
      '2026-11-22 05:28:31  http:127.0.0.1:8080  gateway  none    dial  sent   a connection',
      '',
      'total: 2 disclosures (2 sent), 2 parties (2 gateway), 1 needed'
    ])
  })

  it('has the day once where all is of one, and there is no room for more', () => {
    expect(lines(two, 80)).toEqual([
      `${CID}: 2 parties outside`,
      'learnt of it, or may have (the last read: delivered)',
      '',
      'on 2026-11-22 (times are UTC)',
      'WHEN      PARTY                KIND     LEARNT  OVER  STATE  NEEDED',
      '05:28:31  http:127.0.0.1:8080  gateway  cid     http  sent   yes: it delivered',
      '05:28:31  http:127.0.0.1:8080  gateway  none    dial  sent   a connection',
      '',
      'total: 2 disclosures (2 sent), 2 parties (2 gateway), 1 needed'
    ])
  })

  it('has two lines for each where there is no room for columns', () => {
    expect(lines([exposure(), exposure({ at: AT + 86_400_000 })], 80).slice(3, -2)).toEqual([
      'WHEN (UTC)           PARTY',
      '2026-11-22 05:28:31  http:127.0.0.1:8080',
      '  gateway: cid over http, sent; yes: it delivered',
      '2026-11-23 05:28:31  http:127.0.0.1:8080',
      '  gateway: cid over http, sent; yes: it delivered'
    ])
  })

  it('breaks no line of a file', () => {
    expect(lines([exposure({ why: 'reason '.repeat(50).trim() })]).filter(line => line.includes('reason'))).toHaveLength(1)
    expect(lines([])[0]).toBe(`${CID}: 2 parties outside learnt of it, or may have (the last read: delivered)`)
  })

  it('is never wider than the terminal, and says of each why', () => {
    const any = fc.record({
      at: fc.integer({ min: AT, max: AT + 200_000_000 }),
      observer: fc.oneof(fc.constant('http:127.0.0.1:8080'), fc.constant('p2p:12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 90 })),
      observerClass: fc.constantFrom('gateway' as const, 'dht' as const, 'peer' as const),
      audience: fc.constantFrom('one' as const, 'unbounded' as const),
      state: fc.constantFrom('sent' as const, 'not-sent' as const, 'intended' as const),
      cancelled: fc.boolean(),
      need: fc.constantFrom('delivered' as const, 'lost' as const, 'asked' as const, 'spared' as const),
      why: fc.constantFrom('it delivered', 'another one delivered', 'nothing else is known of it, and the read that it was a part of is long over')
    })
    fc.assert(fc.property(fc.array(any, { minLength: 1, maxLength: 5 }), fc.integer({ min: 20, max: 160 }), (exposures, width) => {
      const table = lines(exposures.map(exposure), width)
      expect(table.filter(line => displayWidth(line) > width)).toEqual([])
      const words = table.join(' ').replace(/\s+/g, '')
      if (exposures.length === 1) {
        expect(words.length).toBeGreaterThan(CID.length)
        expect(exposures.every(({ why }) => why.split(' ').every(word => words.includes(word)))).toBe(true)
      }
    }), { numRuns: 200 })
  })
})
