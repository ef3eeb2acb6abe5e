/** The plain files of the welcome site */
export const HELLO = `Hello from Portolan.

A portolan is a chart of the routes between harbours. This file came out of the
store of your own node: nobody else was asked for it, and the bytes were checked
against the CID in its address before you saw them.
`

export const HARBOURS: Readonly<Record<string, string>> = {
  'genoa.txt': `Genoa
The Carta Pisana, the oldest portolan chart that survives, was most likely drawn
here, about the year 1275.
`,
  'majorca.txt': `Majorca
Home of the school of Abraham Cresques, who drew the Catalan Atlas in 1375.
`,
  'venice.txt': `Venice
Grazioso Benincasa, once a captain himself, signed and dated many of the charts
that he drew here.
`
}

/** Sixteen winds */
const RHUMBS = Array.from({ length: 16 }, (_, i) => i * 22.5)

/** A compass rose with its rhumb lines, as portolan charts have them */
export const COMPASS_ROSE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-120 -120 240 240" role="img" aria-label="A compass rose">
<style>
.line { stroke: #1f6f78; stroke-width: .6; opacity: .55 }
.ring { fill: none; stroke: #1f6f78 }
.major { fill: #1f6f78 }
.minor { fill: #c8553d }
.shade { fill: #fbf8f1; opacity: .45 }
@media (prefers-color-scheme: dark) { .line, .ring { stroke: #7cc5c9 } .major { fill: #7cc5c9 } .minor { fill: #e58a6f } .shade { fill: #12191d } }
</style>
${RHUMBS.map(angle => `<line class="line" y1="-12" y2="-118" transform="rotate(${angle})"/>`).join('\n')}
<circle class="ring" r="62"/><circle class="ring" r="66" stroke-width=".6"/><circle class="ring" r="118" stroke-width=".6"/>
${[45, 135, 225, 315].map(angle => star(angle, 'minor', 54, 9)).join('\n')}
${[0, 90, 180, 270].map(angle => star(angle, 'major', 84, 11)).join('\n')}
</svg>
`

function star (angle: number, kind: string, length: number, width: number): string {
  return `<g transform="rotate(${angle})"><path class="${kind}" d="M0 -${length} L${width} -${width} L0 0 L-${width} -${width} Z"/><path class="shade" d="M0 -${length} L${width} -${width} L0 0 Z"/></g>`
}
