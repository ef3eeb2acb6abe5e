import { readFileSync } from 'node:fs'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { terminalOptions } from '../../../src/privacy/report/console-format.ts'
import { displayWidth, fitText, padText, wrapText } from '../../../src/privacy/report/display-width.ts'
import { redactReport } from '../../../src/privacy/report/redact-report.ts'
import { reportFormats } from '../../../src/privacy/report/report-formats.ts'
import { privacyReportSchema } from '../../../src/privacy/report/report-schema.ts'
import { timelineOf } from '../../../src/privacy/report/report-timeline.ts'
import { schemaFaults } from './json-schema.ts'
import { CLAIM, risk, sample } from './sample.ts'
import type { PrivacyReportData, Severity } from '../../../src/interface/privacy.ts'
import type { RenderOptions } from '../../../src/privacy/report/report-format.ts'
import type { SlackMessage } from '../../../src/privacy/report/slack-format.ts'

const formats = reportFormats()

const HOSTILE = [
  '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '\'; DROP TABLE peers; --', '\u001b[2J\u001b[31mred\u001b]0;title\u0007', 'a\r\nb\u2028c\u2029d', '\u202eright to left\u2066', '\u0000\u0085\u009b31m',
  '<!channel> <https://evil.example|click> &amp; *bold* `code`', '𝕏'.repeat(50), '漢字'.repeat(40), '👩‍👩‍👧'.repeat(20), 'e\u0301'.repeat(60), '\ud800 half', '</style><style>body{display:none}', '${7*7}', '%s%n%o' // eslint-disable-line no-template-curly-in-string
]

function hostile (text: string): PrivacyReportData {
  return sample({
    risks: [risk({ id: text, title: text, subjects: [text], evidence: { [text.slice(0, 50)]: text }, recommendation: text, mitigation: text })],
    insufficient: [{ kind: 'burst-traffic', n: 0, needed: 1, reason: text }],
    statistics: { ...sample().statistics, protocols: { [text]: 1 }, transports: { [text]: 2 } }
  })
}

const TIMELINE = timelineOf({ from: 0, to: 600, events: [{ at: 10, peer: 'a', kind: 'open' }], exposures: [], connections: [] })
const FULL: RenderOptions = { title: 'harbour-1', proof: CLAIM, history: [{ timestamp: 1, riskScore: 0.2 }, { timestamp: 2, riskScore: 0.9 }], timeline: TIMELINE, verbose: true }

// a colour of ours
const COLOUR = /\u001b\[\d+m/g // eslint-disable-line no-control-regex

/** Nothing but line ends that a terminal acts upon, colours of ours apart */
function obeyed (text: string): string[] {
  return text.replace(COLOUR, '').match(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu) ?? []
}

describe('every format', () => {
  it.each(formats.names)('%s says what it stands on, and never that all is well', name => {
    for (const [report, options] of [[sample(), FULL], [sample({ risks: [], insufficient: [], overallRiskScore: 0, measures: [] }), {}]] as const) {
      const text = formats.render(name, report, options).replaceAll('\u00a0', ' ').replace(/\s+/g, ' ')
      expect(text).not.toMatch(/\bsafe|unsafe|secure\b|all is well/i)
      expect(text).toMatch(/real/)
      expect(text).toMatch(/exact/)
      expect(text).toMatch(/no proof that it is not there/)
      expect(text).toMatch(name === 'json' ? /"ANONYMITY_SET_THRESHOLD": 5/ : /anonymity set 5, timing correlation 0.5/)
      expect(text).toMatch(name === 'json' ? /"from": 1795321800000/ : /2026-11-22 04:30:00 to 05:00:00 UTC/)
    }
  })

  it.each(formats.names)('%s tells what too little was seen for, what is simulated or sampled, and what the proof says', name => {
    const text = formats.render(name, sample({ source: 'simulated', streams: 'sampled' }), FULL)
    expect(text).toMatch(/periodic.traffic/i)
    expect(text).toMatch(/simulated/i)
    expect(text).toMatch(/sampled/)
    expect(text).toMatch(/which one/)
    const made = formats.render(name, sample({ source: 'simulated' }), FULL)
    expect(made).toMatch(name === 'json' ? /"simulated"/ : /nothing was measured/)
    expect(name === 'json' || !made.includes('bytes exact')).toBe(true)
    expect(formats.render(name, sample(), { proof: { result: 'refused', reason: 'the root is old' } })).toContain('the root is old')
  })

  it.each(formats.names)('%s is the same twice', name => {
    expect(formats.render(name, sample(), FULL)).toBe(formats.render(name, sample(), FULL))
  })

  it.each(formats.names)('%s neutralises what others wrote', name => {
    for (const text of [...HOSTILE, ...HOSTILE.map(text => text.repeat(1 + 1_000_000 / text.length))]) {
      for (const raw of [true, false]) {
        const output = formats.render(name, hostile(text), { raw, title: text, proof: { result: 'not-made', reason: text } })
        expect(obeyed(output), text.slice(0, 40)).toEqual([])
        expect(output.length).toBeLessThan(40_000)
        expect(output).not.toMatch(/undefined|NaN|\[object/)
      }
    }
  })

  it.each(formats.names)('%s takes figures that make no sense', name => {
    for (const value of [Number.NaN, Infinity, -Infinity, -1, 1e300]) {
      const output = formats.render(name, sample({ generatedAt: value, window: { from: value, to: 0 }, overallRiskScore: value, risks: [risk({ score: value, confidence: value, n: value, evidence: { value } })] }), { history: [{ timestamp: value, riskScore: value }] })
      expect(output).not.toMatch(name === 'json' ? /undefined/ : /undefined|NaN(?!\s)|Infinity.*width/)
    }
  })

  it('an unknown one is refused by name, with those that there are', () => {
    expect(() => formats.get('pdf')).toThrow(expect.objectContaining({ name: 'UnknownFormatError', message: 'there is no format "pdf"; there are console, json, html, slack' }))
    expect(() => formats.render('\u001b[2J', sample())).toThrow(/\\u\{1b\}/)
  })

  it.each([
    [undefined, 'json'], ['*/*', 'json'], ['text/html,application/xhtml+xml,*/*;q=0.8', 'html'], ['text/plain', 'console'], ['application/json', 'json'],
    ['application/json;q=0.1, text/html;q=0.9', 'html'], ['text/*', 'console'], ['image/png, text/plain;q=0.5', 'console'], ['text/html;q=0, */*', 'json']
  ])('Accept %s is answered with %s', (header, name) => {
    expect(formats.accepted(header).name).toBe(name)
  })

  it('nothing that is accepted is an error', () => {
    expect(() => formats.accepted('image/png')).toThrow(expect.objectContaining({ name: 'UnknownFormatError' }))
    expect(() => formats.accepted('text/html;q=0')).toThrow(expect.objectContaining({ name: 'UnknownFormatError' }))
  })

  it('own ones are told from mistakes, and may replace ours', () => {
    const own = { name: 'console', mediaType: 'text/plain', extension: 'txt', render: () => 'mine' }
    expect(reportFormats([own]).render('console', sample())).toBe('mine')
    for (const wrong of [{ ...own, name: 'A b' }, { ...own, mediaType: 'text' }, { ...own, extension: '../x' }, { ...own, render: 1 }, undefined]) {
      expect(() => reportFormats([wrong as unknown as typeof own])).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
    }
    expect(() => reportFormats([{ ...own, render: () => 1 as unknown as string }]).render('console', sample())).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})

describe('console', () => {
  it('no line is wider than the terminal', () => {
    fc.assert(fc.property(fc.integer({ min: 40, max: 200 }), fc.constantFrom(...HOSTILE), fc.string({ unit: 'grapheme' }), fc.boolean(), (width, text, more, raw) => {
      const output = formats.render('console', hostile(text + more), { ...FULL, width, raw, title: text })
      return output.split('\n').every(line => displayWidth(line) <= width)
    }), { numRuns: 200 })
  })

  it('asks for a width that is a number, and takes 40 columns where there are fewer', () => {
    expect(Math.max(...formats.render('console', sample(), { width: 10 }).split('\n').map(displayWidth))).toBeLessThanOrEqual(40)
    expect(() => formats.render('console', sample(), { width: Number.NaN })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })

  it('colours change nothing but colours', () => {
    const colour = formats.render('console', sample(), { ...FULL, colour: true })
    expect(colour).toContain('\u001b[31m')
    expect(colour.replace(COLOUR, '')).toBe(formats.render('console', sample(), FULL))
  })

  it('shows the worst first, and all with verbose', () => {
    const many = sample({ risks: Array.from({ length: 30 }, (_, i) => risk({ id: `r-${i}`, title: `Finding number ${i}`, severity: (['low', 'medium', 'high', 'critical'] as const)[i % 4] as Severity, score: i / 30 })) })
    const text = formats.render('console', many, {})
    expect(text.indexOf('Finding number 27')).toBeLessThan(text.indexOf('Finding number 3\n'))
    expect(text).toMatch(/and 20 more/)
    expect(formats.render('console', many, { verbose: true }).match(/Finding number/g)).toHaveLength(30)
  })

  it.each([
    [{ isTTY: true, columns: 100 }, {}, { colour: true, width: 100 }],
    [{ isTTY: true }, { NO_COLOR: '1' }, { colour: false }],
    [{ isTTY: true, columns: 0 }, { NO_COLOR: '' }, { colour: true }],
    [{ isTTY: true }, { TERM: 'dumb' }, { colour: false }],
    [{}, {}, { colour: false }]
  ])('on %o with %o is %o', (stream, environment, options) => {
    expect(terminalOptions(stream, environment)).toEqual(options)
  })
})

describe('text for terminals', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 80 })

  it('is measured in columns', () => {
    expect(['abc', '漢字', 'e\u0301', '👍', 'ｱ', ''].map(displayWidth)).toEqual([3, 4, 1, 2, 1, 0])
  })

  it('fits, is filled up, and wrapped without losing a character', () => {
    fc.assert(fc.property(text, fc.integer({ min: 2, max: 40 }), (text, columns) => {
      expect(displayWidth(fitText(text, columns))).toBeLessThanOrEqual(columns)
      expect(displayWidth(padText(fitText(text, columns), columns))).toBe(columns)
      const lines = wrapText(text, columns)
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns)
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
    }))
  })
})

describe('html', () => {
  const html = (report = sample(), options = FULL): string => formats.render('html', report, options)

  it('loads, sends and runs nothing: only its own style fits the policy', () => {
    const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html()) ?? []
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(html()) ?? []
    expect(policy).toBe(`default-src 'none'; style-src 'sha256-${Buffer.from(sha256(Buffer.from(style))).toString('base64')}'; base-uri 'none'; form-action 'none'`)
    expect(html()).not.toMatch(/<script|<iframe|<link|<img|<a |<form|<object|javascript:|style="|\son\w+=|url\(|@import/i)
    expect(html().match(/https?:\/\/[^\s"<]+/g)).toEqual(Array.from({ length: 5 }, () => 'http://www.w3.org/2000/svg'))
  })

  it('has its charts in it', () => {
    for (const label of ['Risk score 0.78 of 1', 'Findings by severity: critical 1, high 1, medium 1, low 1', 'Exposures by class of observers: dht 1', 'Risk score over time, 2 checks, last 0.90', 'Over time: events, at most 1 at once']) {
      expect(html()).toContain(`aria-label="${label}`)
    }
  })

  it('has evidence in words, numbers in them included', () => {
    const report = sample()
    const page = html({ ...report, risks: [{ ...risk(), evidence: { smallestSetIn5Minutes: 1, pCorrected: 0.01 } }] })
    expect(page).toContain('smallest set in 5 minutes')
    expect(page).toContain('p corrected')
  })

  it('draws exposures over time where there were any', () => {
    const timeline = { from: 0, to: 10, bins: [{ opened: 1, events: 9, exposures: 4 }] }
    // a clock that was set back: the check that came last is not the one with the latest time
    expect(html(sample(), { history: [{ timestamp: 86_400_000, riskScore: 0.2 }, { timestamp: 1_000, riskScore: 0.8 }] })).toContain('aria-label="Risk score over time, 2 checks, last 0.80"')
    expect(html(sample(), { timeline })).toContain('aria-label="Over time: exposures, at most 4 at once, and connections opened, at most 1 at once"')
  })

  it('keeps its tags whatever is in it', () => {
    const tags = (text: string): string[] => text.match(/<[a-z/!][^>]*>/gi)?.map(tag => tag.replace(/\s.*/s, '')) ?? []
    const plain = tags(html(hostile('x'.repeat(10)), { raw: true, title: 'x' }))
    for (const text of HOSTILE) {
      expect(tags(html(hostile(text), { raw: true, title: text }))).toEqual(plain)
    }
  })

  it('says so where nothing was judged', () => {
    expect(html(sample({ risks: [], measures: [], overallRiskScore: 0 }), {})).toMatch(/None in what could be judged/)
  })
})

describe('slack', () => {
  const slack = (report = sample(), options: RenderOptions = {}): SlackMessage => JSON.parse(formats.render('slack', report, options)) as SlackMessage

  it.each([[1, '#d32f2f', 'red'], [0.71, '#d32f2f', 'red'], [0.7, '#f9a825', 'yellow'], [0.41, '#f9a825', 'yellow'], [0.4, '#2e7d32', 'green'], [0, '#2e7d32', 'green']])('a score of %d is %s, %s', (overallRiskScore, color, circle) => {
    const message = slack(sample({ overallRiskScore }))
    expect(message.attachments[0]?.color).toBe(color)
    expect(JSON.stringify(message.blocks)).toContain(`${circle}_circle:`)
  })

  it('stays within the limits of Slack', () => {
    const risks = Array.from({ length: 500 }, (_, i) => risk({ id: `r${i}`, title: '&<>*'.repeat(300), recommendation: '<'.repeat(5000), mitigation: '&'.repeat(5000), evidence: Object.fromEntries(Array.from({ length: 50 }, (_, j) => [`key${j}`, '>'.repeat(100)])), subjects: Array.from({ length: 100 }, (_, j) => `p2p:${j}`) }))
    for (const raw of [true, false]) {
      const message = slack(sample({ risks }), { ...FULL, raw, title: '&'.repeat(500) })
      const blocks = [...message.blocks, ...message.attachments.flatMap(({ blocks }) => blocks)]
      expect(blocks.length).toBeLessThanOrEqual(50)
      expect(message.text.length).toBeLessThanOrEqual(4_000)
      for (const { type, text, fields = [], elements = [] } of blocks) {
        expect(text?.text.length ?? 1).toBeGreaterThan(0)
        expect(text?.text.length ?? 0).toBeLessThanOrEqual(type === 'header' ? 150 : 3_000)
        expect([fields.length <= 10, elements.length <= 10]).toEqual([true, true])
        fields.forEach(({ text }) => { expect(text.length).toBeLessThanOrEqual(2_000) })
        elements.forEach(({ text }) => { expect(text.length).toBeLessThanOrEqual(3_000) })
      }
    }
  })

  it('has no link, mention or format of others in it', () => {
    for (const text of HOSTILE) {
      const message = slack(hostile(text), { raw: true })
      const foreign = JSON.stringify(message.attachments)
      expect(foreign).not.toMatch(/<[!@#h]|&(?!amp;|lt;|gt;)/)
      expect(foreign).not.toContain('`')
      expect(foreign.match(/\*/g)).toHaveLength(2)
    }
  })
})

describe('json', () => {
  const document = (report: PrivacyReportData, options: RenderOptions = {}): unknown => JSON.parse(formats.render('json', report, options))

  it('is by the schema, which says no to what is wrong', () => {
    expect(schemaFaults(privacyReportSchema, document(sample(), FULL))).toEqual([])
    expect(schemaFaults(privacyReportSchema, document(sample({ risks: [], measures: [], insufficient: [] }), { raw: true, proof: { result: 'not-made', reason: 'no group was named' } }))).toEqual([])
    for (const text of HOSTILE) {
      expect(schemaFaults(privacyReportSchema, document(hostile(text), { raw: true }))).toEqual([])
    }
    expect(schemaFaults(privacyReportSchema, { ...document(sample()) as object, overallRiskScore: 2 })).toEqual(['$.overallRiskScore is above 1'])
    expect(schemaFaults(privacyReportSchema, { ...document(sample()) as object, source: 'guessed', extra: 1 })).toHaveLength(2)
    expect(schemaFaults(privacyReportSchema, {})).toHaveLength(13)
  })

  it('is the schema that docs/schema publishes', () => {
    expect(JSON.parse(readFileSync(new URL('../../../docs/schema/privacy-report.schema.json', import.meta.url), 'utf8'))).toEqual(privacyReportSchema)
  })

  it('reads back as the report that was redacted, and says whether it was', () => {
    expect(document(sample())).toMatchObject({ ...redactReport(sample()), redacted: true })
    expect(document(sample(), { raw: true })).toMatchObject({ ...sample(), redacted: false })
    expect(document(sample(), { proof: CLAIM })).toMatchObject({ proof: CLAIM })
  })
})

describe('the timeline', () => {
  it('counts in equal parts what lies in the window', () => {
    const at = (times: number[]): Array<{ at: number, peer: string, kind: 'sent' }> => times.map(at => ({ at, peer: 'a', kind: 'sent' }))
    const { bins } = timelineOf({ from: 100, to: 200, events: at([99, 100, 149, 150, 200, 201, Number.NaN]), connections: [] }, 2)
    expect(bins.map(({ events }) => events)).toEqual([2, 2])
    expect(timelineOf({ from: 100, to: 100, events: at([100]), connections: [] }, 3).bins[0]?.events).toBe(1)
  })
})
