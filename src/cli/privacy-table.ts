import { terminalText } from './terminal-text.ts'
import type { painter } from './style.ts'
import type { ExposureReport, Need, ReportedExposure } from '../privacy/ledger/exposure-report.ts'

/** Where nobody says how wide it is: a file, a pipe */
const DEFAULT_WIDTH = 120
/** Room for the longest of what is not a name */
const NARROWEST_NAME = 16
/** A peer id in full */
const WIDEST_NAME = 64
/** Rows; a block that was announced every day for a year has more, and --json has them all */
const MAX_ROWS = 200

const HEAD = ['WHEN', 'PARTY', 'KIND', 'LEARNT', 'OVER', 'STATE', 'NEEDED']

const NEEDS: Readonly<Record<Need, string>> = {
  delivered: 'yes',
  'led-there': 'yes',
  announced: 'on purpose',
  served: 'on purpose',
  measured: 'no',
  lost: 'no',
  'led-nowhere': 'no',
  asked: 'not known',
  connected: '-',
  spared: '-'
}

/** Who learnt of a block, as a table for a terminal of this width */
export function privacyTable (report: ExposureReport, paint: ReturnType<typeof painter>, width = DEFAULT_WIDTH): string {
  const { exposures, cid, result } = report
  const shown = exposures.slice(-MAX_ROWS)
  const rows = shown.map(row)
  const others = HEAD.map((head, i) => i === 1 ? 0 : Math.max(head.length, ...rows.map(cells => cells[i]?.length ?? 0)))
  const room = width - others.reduce((sum, each) => sum + each + 2, 0)
  const longest = Math.max(5, ...rows.map(cells => cells[1]?.length ?? 0))
  const widths = others.map((each, i) => i === 1 ? Math.min(longest, WIDEST_NAME, Math.max(NARROWEST_NAME, room)) : each)
  const line = (cells: readonly string[]): string => cells.map((cell, i) => (i === 1 ? shortened(cell, widths[i] ?? 0) : cell).padEnd(widths[i] ?? 0)).join('  ').trimEnd()

  return [
    `${paint('bold', cid)}: ${verdict(report)}${result == null ? '' : ` (the last read: ${result})`}`,
    ...rows.length === 0 ? [] : ['', paint('dim', line(HEAD)), ...rows.map((cells, i) => paint(colour(shown[i]), line(cells)))],
    ...exposures.length > shown.length ? [`... and ${exposures.length - shown.length} older ones: --json has them`] : [],
    '',
    ...totals(report)
  ].join('\n')
}

function verdict ({ parties, exposures, unnamed, result }: ExposureReport): string {
  if (parties === 0 && unnamed === 0) {
    return result === 'cached' ? 'it was here already: of this read nobody outside learnt' : exposures.length === 0 ? 'nobody outside is known to have learnt of it' : 'nobody outside learnt of it, nothing was sent'
  }
  const others = unnamed === 0 ? '' : 'others who are not recorded by name'
  const named = parties === 0 ? '' : `${parties} ${parties === 1 ? 'party' : 'parties'} outside`
  return `${[named, others].filter(who => who !== '').join(' and ')} learnt of it, or may have`
}

function row (exposure: ReportedExposure): string[] {
  const { at, observer, observerClass, form, transport, audience, state, cancelled, need, why } = exposure
  return [
    new Date(at).toISOString().replace('T', ' ').slice(0, 19),
    `${observer}${audience === 'unbounded' ? ' and whomever it asks' : ''}`,
    observerClass,
    form,
    transport,
    `${state === 'intended' ? 'under way' : state}${cancelled ? ', cancelled' : ''}`,
    NEEDS[need] === '-' ? why : `${NEEDS[need]}: ${why}`
  ].map(oneLine)
}

function totals ({ exposures, parties, byClass, states, cancelled, unnamed, unaccounted, earlier }: ExposureReport): string[] {
  const kinds = Object.entries(byClass).map(([name, count]) => `${count} ${name}`).join(', ')
  const counts = Object.entries({ ...states, cancelled }).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`).join(', ')
  const needed = exposures.filter(({ need }) => NEEDS[need] === 'yes').length

  return [
    `total: ${exposures.length} disclosure${exposures.length === 1 ? '' : 's'}${counts === '' ? '' : ` (${counts})`}, ${parties} part${parties === 1 ? 'y' : 'ies'}${kinds === '' ? '' : ` (${kinds})`}${exposures.length === 0 ? '' : `, ${needed} needed`}`,
    ...unnamed === 0 ? [] : [`${unnamed} more ${unnamed === 1 ? 'disclosure is' : 'disclosures are'} not recorded by name (ledger.allow, or too many)`],
    ...unaccounted.map(({ from, to, reason }) => oneLine(`accounting paused ${time(from)} to ${to == null ? 'now' : time(to)}: ${reason}; what was told meanwhile is not known`)),
    ...earlier == null ? [] : [`before this start, since ${time(earlier.since)}: ${earlier.disclosures} disclosures, known as numbers only`]
  ]
}

function colour (exposure: ReportedExposure | undefined): 'green' | 'yellow' | 'dim' {
  const { need = 'spared' } = exposure ?? {}
  return NEEDS[need] === 'yes' ? 'green' : NEEDS[need] === '-' ? 'dim' : 'yellow'
}

function time (at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19)
}

/** The end of a peer id tells more than its beginning */
function shortened (name: string, width: number): string {
  if (name.length <= width) {
    return name
  }
  const tail = Math.max(0, Math.floor((width - 1) / 2))
  return `${name.slice(0, width - 1 - tail)}…${name.slice(name.length - tail)}`
}

/** Others have a hand in names */
function oneLine (text: string): string {
  return terminalText(text).replace(/[\n\t]/g, ' ')
}
