import type { PolicyName } from './compare.ts'

/** Hit ratio against size: what `compare` gave for one workload, the smallest size first */
export interface Curve {
  /** Of the footprint */
  readonly share: number
  /** In percent */
  readonly objects: Readonly<Record<PolicyName, number>>
  readonly optimum: number
}

export interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
}

interface Line {
  readonly name: string
  readonly value: (curve: Curve) => number
  readonly className: string
}

const COLUMNS = 4
const PANEL = { width: 228, height: 168, left: 34, top: 28, right: 8, bottom: 22 }
const MARGIN = 16
const HEADER = 58
const PLOT_WIDTH = PANEL.width - PANEL.left - PANEL.right
const PLOT_HEIGHT = PANEL.height - PANEL.top - PANEL.bottom
/** Labels that do not touch each other on a logarithmic axis */
const LABELLED = new Set([1, 2, 5, 10, 20, 50])

/** In the order in which they are drawn: what matters most lies on top */
const LINES: readonly Line[] = [
  { name: 'optimum', value: ({ optimum }) => optimum, className: 'optimum' },
  { name: 'LRU', value: ({ objects }) => objects.LRU, className: 'lru' },
  { name: 'SIEVE', value: ({ objects }) => objects.SIEVE, className: 'sieve' },
  { name: 'S3-FIFO', value: ({ objects }) => objects['S3-FIFO'], className: 's3' },
  { name: 'GDSF', value: ({ objects }) => objects.GDSF, className: 'gdsf' },
  { name: 'Portolan', value: ({ objects }) => objects.ours, className: 'ours' }
]

/** Colours that eyes which confuse red and green tell apart (Okabe and Ito), lighter ones on dark */
const STYLE = `
  .page { fill: #ffffff; stroke: #d0d7de }
  text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #57606a }
  .head { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .title { font-size: 12px; font-weight: 600; fill: #1f2328 }
  .tick { font-size: 10px }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round }
  .optimum { stroke: #8c959f; stroke-dasharray: 2 3.5 }
  .lru { stroke: #57606a }
  .sieve { stroke: #009e73 }
  .s3 { stroke: #0072b2 }
  .gdsf { stroke: #cc79a7 }
  .ours { stroke: #d55e00; stroke-width: 2.75 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d }
    text { fill: #9198a1 }
    .head, .title { fill: #f0f6fc }
    .grid { stroke: #262c36 }
    .optimum { stroke: #7d8590 }
    .lru { stroke: #b1bac4 }
    .sieve { stroke: #2fc79a }
    .s3 { stroke: #58a6ff }
    .gdsf { stroke: #e3a5c7 }
    .ours { stroke: #ff8c42 }
  }`

/** An SVG of small panels, one for each workload. The same figures give the same bytes. */
export function plot (panels: readonly Panel[]): string {
  const columns = Math.min(COLUMNS, Math.max(1, panels.length))
  const width = 2 * MARGIN + Math.max(columns, 3) * PANEL.width
  const height = HEADER + Math.ceil(panels.length / columns) * PANEL.height + MARGIN

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Hit ratio against cache size for ${LINES.map(({ name }) => name).join(', ')}">
<style>${STYLE}
</style>
<rect class="page" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="6"/>
<text class="head" x="${MARGIN}" y="26">Hit ratio, % of requests, against cache size, % of the footprint</text>
${legend()}
${panels.map((panel, i) => panelOf(panel, MARGIN + (i % columns) * PANEL.width, HEADER + Math.floor(i / columns) * PANEL.height)).join('\n')}
</svg>
`
}

function legend (): string {
  let x = MARGIN

  return LINES.toReversed().map(({ name, className }) => {
    const entry = `<path class="line ${className}" d="M${x} 43h18"/><text x="${x + 24}" y="47">${name}</text>`
    // a letter is about seven wide
    x += 24 + 7 * name.length + 22
    return entry
  }).join('')
}

function panelOf ({ title, curves }: Panel, left: number, top: number): string {
  const shares = curves.map(({ share }) => share)
  const [least, most] = [Math.log(Math.min(...shares)), Math.log(Math.max(...shares))]
  const ceiling = ceilingOf(Math.max(...curves.flatMap(curve => LINES.map(({ value }) => value(curve)))))
  const x = (share: number): number => PANEL.left + (most === least ? 0.5 : (Math.log(share) - least) / (most - least)) * PLOT_WIDTH
  const y = (percent: number): number => PANEL.top + (1 - percent / ceiling) * PLOT_HEIGHT
  const ticks = [0, ceiling / 2, ceiling]

  return `<g transform="translate(${left} ${top})"><text class="title" x="${PANEL.left}" y="18">${escape(title)}</text>
<path class="grid" d="${ticks.map(tick => `M${PANEL.left} ${decimal(y(tick))}h${PLOT_WIDTH}`).join('')}"/>
${ticks.map(tick => `<text class="tick" x="${PANEL.left - 5}" y="${decimal(y(tick) + 3.5)}" text-anchor="end">${tick}</text>`).join('')}
${shares.map(share => Math.round(share * 100)).filter(percent => LABELLED.has(percent)).map(percent => `<text class="tick" x="${decimal(x(percent / 100))}" y="${PANEL.height - PANEL.bottom + 14}" text-anchor="middle">${percent}</text>`).join('')}
${LINES.map(({ value, className }) => `<path class="line ${className}" d="M${curves.map(curve => `${decimal(x(curve.share))} ${decimal(y(value(curve)))}`).join('L')}"/>`).join('\n')}
</g>`
}

/** So that half of it is a round number too */
function ceilingOf (percent: number): number {
  return [10, 20, 40, 60, 80].find(ceiling => percent <= ceiling) ?? 100
}

function decimal (value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escape (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
