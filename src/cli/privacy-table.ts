import { displayWidth, fitText, padText, wrapText } from '../privacy/report/display-width.ts'
import { terminalText } from './terminal-text.ts'
import type { painter } from './style.ts'
import type { ExposureReport, Need, ReportedExposure } from '../privacy/ledger/exposure-report.ts'

/** Of names and reasons, where nobody says how wide the lines may be: a file, a pipe. There no line is broken */
const DEFAULT_WIDTH = 120
/** Room for the longest of what is not a name */
const NARROWEST_NAME = 16
/** A peer id in full */
const WIDEST_NAME = 64
/** In less, what was needed would be a tower of words */
const NARROWEST_NEED = 18
/** Rows; a block that was announced every day for a year has more, and --json has them all */
const MAX_ROWS = 200

const HEAD = ['WHEN (UTC)', 'PARTY', 'KIND', 'LEARNT', 'OVER', 'STATE', 'NEEDED']
const [NAME, NEED] = [1, 6]

type Paint = ReturnType<typeof painter>

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

/**
 * Who learnt of a block, as a table for a terminal of this width: no line is
 * wider. Where a row has no room for all, times are told without their day, and
 * at last a row is two lines.
 *
 * @param width - of the terminal. @default it is none, and lines are as long as they are
 */
export function privacyTable (report: ExposureReport, paint: Paint, width?: number): string {
  const { exposures, cid, result } = report
  const shown = exposures.slice(-MAX_ROWS)
  const prose = (text: string): string[] => width == null ? [text] : wrapText(text, width)
  const headline = prose(`${cid}: ${verdict(report)}${result == null ? '' : ` (the last read: ${result})`}`)

  return [
    ...headline.map((line, i) => i === 0 && line.startsWith(cid) ? `${paint('bold', cid)}${line.slice(cid.length)}` : line),
    ...shown.length === 0 ? [] : ['', ...body(shown, paint, width)],
    ...exposures.length > shown.length ? prose(`... and ${exposures.length - shown.length} older ones: --json has them`) : [],
    '',
    ...totals(report).flatMap(prose)
  ].join('\n')
}

function body (shown: readonly ReportedExposure[], paint: Paint, width: number | undefined): string[] {
  const rows = shown.map(row)
  const day = rows[0]?.[0]?.slice(0, 10) ?? ''
  const sameDay = rows.every(([when]) => when?.startsWith(day))
  const full = columns(HEAD, rows, width)

  if (full != null) {
    return tableLines([HEAD, ...rows], full, shown, paint)
  }
  const times = rows.map(([when = '', ...rest]) => [when.slice(11), ...rest])
  const head = ['WHEN', ...HEAD.slice(1)]
  const short = sameDay ? columns(head, times, width) : undefined

  return short == null
    ? stacked(rows, shown, paint, width ?? DEFAULT_WIDTH)
    : [paint('dim', `on ${day} (times are UTC)`), ...tableLines([head, ...times], short, shown, paint)]
}

/** How wide each column is; undefined where they have no room beside each other */
function columns (head: readonly string[], rows: ReadonlyArray<readonly string[]>, width: number | undefined): number[] | undefined {
  const longest = head.map((name, i) => Math.max(displayWidth(name), ...rows.map(cells => displayWidth(cells[i] ?? ''))))
  const [name = 0, need = 0] = [longest[NAME], longest[NEED]]
  const room = longest.reduce((left, each, i) => left - 2 - (i === NAME || i === NEED ? 0 : each), (width ?? DEFAULT_WIDTH) + 2)
  const forName = Math.min(name, WIDEST_NAME, Math.max(NARROWEST_NAME, room - need))
  const forNeed = width == null ? need : Math.min(need, room - forName)

  return forNeed < Math.min(need, NARROWEST_NEED) ? undefined : longest.map((each, i) => i === NAME ? forName : i === NEED ? forNeed : each)
}

function tableLines (rows: ReadonlyArray<readonly string[]>, widths: readonly number[], shown: readonly ReportedExposure[], paint: Paint): string[] {
  return rows.flatMap((cells, i) => {
    const beside = cells.slice(0, NEED).map((cell, i) => padText(i === NAME ? shortened(cell, widths[i] ?? 0) : cell, widths[i] ?? 0)).join('  ')
    const lines = wrapText(cells[NEED] ?? '', widths[NEED] ?? 0).map((text, i) => `${i === 0 ? beside : ' '.repeat(displayWidth(beside))}  ${text}`.trimEnd())
    return lines.map(line => paint(i === 0 ? 'dim' : colour(shown[i - 1]), line))
  })
}

/** Two lines, or what they are broken into, for each */
function stacked (rows: ReadonlyArray<readonly string[]>, shown: readonly ReportedExposure[], paint: Paint, width: number): string[] {
  const [when = '', name = ''] = HEAD
  const lines = rows.map(([when = '', name = '', kind = '', learnt = '', over = '', state = '', need = '']) => [
    ...beside(when, name, width),
    ...wrapText(`${kind}: ${learnt} over ${over}, ${state}; ${need}`, width - 2).map(line => `  ${line}`)
  ])
  return [
    ...beside(when.padEnd(rows[0]?.[0]?.length ?? 0), name, width).map(line => paint('dim', line)),
    ...lines.flatMap((row, i) => row.map(line => paint(colour(shown[i]), line)))
  ]
}

function beside (when: string, name: string, width: number): string[] {
  const room = width - when.length - 2
  return room < Math.min(name.length, NARROWEST_NAME) ? [...wrapText(when.trimEnd(), width), shortened(name, width)] : [`${when}  ${shortened(name, room)}`]
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
    time(at),
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
    ...unaccounted.map(({ from, to, reason }) => oneLine(`accounting paused ${to == null ? `since ${time(from)} UTC` : `${time(from)} to ${time(to)} UTC`}: ${reason}; what was told meanwhile is not known`)),
    ...earlier == null ? [] : [`before this start, since ${time(earlier.since)} UTC: ${earlier.disclosures} disclosures, known as numbers only`]
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
  if (displayWidth(name) <= width) {
    return name
  }
  if (!/^[\x20-\x7e]*$/.test(name)) {
    return fitText(name, width)
  }
  const tail = Math.max(0, Math.floor((width - 1) / 2))
  return `${name.slice(0, width - 1 - tail)}…${name.slice(name.length - tail)}`
}

/** Others have a hand in names */
function oneLine (text: string): string {
  return terminalText(text).replace(/[\n\t]/g, ' ')
}
