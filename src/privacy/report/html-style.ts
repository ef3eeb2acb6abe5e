import { sha256 } from '@noble/hashes/sha2.js'

/** The colours of the pages that a node shows; `red`, `gold` and `green` are for scores */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1d2a33; --paper: #fbf8f1; --card: #f3ecdc; --line: #ddd2ba; --soft: #5d6b72; --sea: #17636c; --coral: #b2452f; --red: #b3261e; --gold: #8a5d00; --green: #2c6a36; --plum: #7b2d6b }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e2d4; --paper: #10171b; --card: #182227; --line: #2b3a41; --soft: #9aa8ad; --sea: #84cdd1; --coral: #ec9377; --red: #f28b82; --gold: #e3b341; --green: #86c790; --plum: #d9a0cb } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem }
header { padding-top: 2.5rem; padding-bottom: .5rem }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; font-weight: 600; line-height: 1.15; text-wrap: balance }
h1 { font-size: clamp(1.9rem, 5vw, 2.8rem); margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.45rem; margin: 2.5rem 0 .75rem }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
p { margin: 0 0 .75rem; overflow-wrap: anywhere }
.soft, figcaption, dt { color: var(--soft) }
.banner { background: var(--card); border: 2px dashed var(--coral); border-radius: .6rem; padding: .6rem 1rem; font-weight: 600 }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1rem; margin: 1.25rem 0 0 }
figure, article { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem; margin: 0; min-width: 0; break-inside: avoid }
figure.wide { margin: 1rem 0 0 }
figcaption { font-size: .9rem; margin: 0 0 .5rem }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { fill: var(--ink); font: 13px system-ui, -apple-system, "Segoe UI", sans-serif }
svg text.soft { fill: var(--soft) }
svg text.big { font: 600 40px "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif }
.middle { text-anchor: middle } .end { text-anchor: end }
.track { stroke: var(--line); fill: none } .ground { fill: var(--line) } .axis { stroke: var(--line) } .dash { stroke: var(--soft); stroke-dasharray: 3 4; opacity: .7 }
.f-sea { fill: var(--sea) } .f-coral { fill: var(--coral) } .f-critical { fill: var(--plum) } .f-high { fill: var(--red) } .f-medium { fill: var(--gold) } .f-low { fill: var(--sea) }
.s-red { stroke: var(--red) } .s-yellow { stroke: var(--gold) } .s-green { stroke: var(--green) } .s-sea { stroke: var(--sea); fill: none }
article { margin: 0 0 1rem; border-left-width: .35rem }
article.critical { border-left-color: var(--plum) } article.high { border-left-color: var(--red) } article.medium { border-left-color: var(--gold) } article.low { border-left-color: var(--sea) }
article header { display: flex; gap: .75rem; align-items: baseline; padding: 0; margin: 0 0 .25rem; max-width: none }
article header b { margin-left: auto; font-variant-numeric: tabular-nums }
.chip { font-size: .75rem; font-weight: 700; letter-spacing: .05em; text-transform: uppercase; white-space: nowrap }
.critical .chip { color: var(--plum) } .high .chip { color: var(--red) } .medium .chip { color: var(--gold) } .low .chip { color: var(--sea) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0 0; font-size: .92rem }
dd { margin: 0; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
table { width: 100%; border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; color: var(--soft) }
th, td { border-top: 1px solid var(--line); padding: .4rem .75rem .4rem 0; vertical-align: top; overflow-wrap: anywhere }
thead th { border-top: 0; white-space: nowrap }
.num { text-align: right } td:last-child, th:last-child { padding-right: 0 } .num + :not(.num) { padding-left: .75rem }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
footer { color: var(--soft); font-size: .9rem; padding-top: 2rem; padding-bottom: 3rem }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr } dt { margin-top: .3rem } }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --card: #fff; --line: #bbb; --soft: #444; --sea: #17636c; --coral: #b2452f; --red: #b3261e; --gold: #8a5d00; --green: #2c6a36; --plum: #7b2d6b } body { font-size: 11pt } header, main, footer { max-width: none; padding-left: 0; padding-right: 0 } h2 { break-after: avoid } * { print-color-adjust: exact } }
`

/** Nothing may be loaded, sent or run; of styles, only the one above */
export const POLICY = `default-src 'none'; style-src 'sha256-${base64(sha256(new TextEncoder().encode(STYLE)))}'; base-uri 'none'; form-action 'none'`

function base64 (bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text that is fit for between tags and inside quoted attributes */
export function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character] ?? character)
}
