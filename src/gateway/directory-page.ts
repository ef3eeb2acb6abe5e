import { escapeHtml, formatBytes } from './html.ts'
import type { IpfsPath } from './ipfs-path.ts'
import type { DirectoryEntry } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** Rows written at once: a page of a few entries is one chunk, a huge one streams */
const ROWS_PER_CHUNK = 64

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2a33; --paper: #fbf8f1; --line: #d9d0bd; --soft: #6d7a80; --sea: #1f6f78 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e1d5; --paper: #12191d; --line: #2c3a40; --soft: #93a1a6; --sea: #7cc5c9 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem }
h1 { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; margin: 0 0 .25rem }
p { color: var(--soft); margin: 0 0 1rem; font-size: .9rem; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
td { border-top: 1px solid var(--line); padding: .5rem .5rem .5rem 0; vertical-align: top }
td:first-child { overflow-wrap: anywhere }
td:last-child { text-align: right; white-space: nowrap; color: var(--soft); padding-right: 0 }
a { color: var(--sea); text-decoration: none }
a:hover { text-decoration: underline }
code { font: .85em ui-monospace, monospace }
`

/** Streams the listing of a directory as a page; at most `max` entries */
export async function * directoryPage (path: IpfsPath, cid: CID, entries: AsyncIterable<DirectoryEntry>, max: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  const title = ['', 'ipfs', path.root.toString(), ...path.names].join('/')
  let count = 0
  let rows = ''
  let cut = false

  yield encoder.encode(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${breadcrumb(path)}</h1>
<p><code>${cid}</code></p>
<table>
${path.names.length > 0 ? '<tr><td><a href="../">..</a></td><td></td></tr>\n' : ''}`)

  for await (const entry of entries) {
    if (count >= max) {
      cut = true
      break
    }
    rows += row(entry)
    count++

    if (count % ROWS_PER_CHUNK === 0) {
      yield encoder.encode(rows)
      rows = ''
    }
  }
  const note = cut ? `The first ${count} entries; there are more.` : count === 1 ? 'One entry.' : count === 0 ? 'An empty directory.' : `${count} entries.`
  yield encoder.encode(`${rows}</table>\n<p>${note}</p>\n</main>\n</body>\n</html>\n`)
}

function breadcrumb (path: IpfsPath): string {
  const parts = ['/ipfs/', `<a href="/ipfs/${encodeURIComponent(path.root.toString())}/">${path.root}</a>`]
  let at = `/ipfs/${encodeURIComponent(path.root.toString())}/`

  for (const name of path.names) {
    at += `${encodeURIComponent(name)}/`
    parts.push('/', `<a href="${escapeHtml(at)}">${escapeHtml(name)}</a>`)
  }
  return parts.join('')
}

function row (entry: DirectoryEntry): string {
  const name = entry.name.toWellFormed()
  // a URL with these names, or with an escaped slash, does not lead back to the entry: shown, not linked
  const linkable = name !== '' && name !== '.' && name !== '..' && !name.includes('/')
  const shown = escapeHtml(name)
  const label = linkable ? `<a href="./${escapeHtml(encodeURIComponent(name))}">${shown}</a>` : `${shown} <a href="/ipfs/${entry.cid}"><code>${entry.cid}</code></a>`

  return `<tr><td>${label}</td><td>${entry.size == null ? '' : formatBytes(entry.size)}</td></tr>\n`
}
