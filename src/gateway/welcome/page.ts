import { COMPASS_ROSE } from './texts.ts'
import type { CID } from 'multiformats/cid'

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2a33; --paper: #fbf8f1; --card: #f3ecdc; --line: #ddd2ba; --soft: #5d6b72; --sea: #17636c; --coral: #b2452f }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e2d4; --paper: #10171b; --card: #182227; --line: #2b3a41; --soft: #9aa8ad; --sea: #84cdd1; --coral: #ec9377 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif }
header { position: relative; overflow: hidden; border-bottom: 1px solid var(--line) }
header svg { position: absolute; right: -4rem; top: 50%; width: 26rem; transform: translateY(-50%); opacity: .9 }
header div, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem }
header div { position: relative; padding-top: 5rem; padding-bottom: 5rem }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; font-weight: 600; line-height: 1.15; text-wrap: balance }
h1 { font-size: clamp(2.6rem, 8vw, 4.4rem); margin: 0 0 1rem; letter-spacing: -.01em }
h2 { font-size: 1.6rem; margin: 3rem 0 .75rem }
header p { max-width: 34rem; font-size: 1.2rem; margin: 0; text-wrap: pretty }
main p { max-width: 44rem }
a { color: var(--sea); text-underline-offset: .18em }
.steps { list-style: none; padding: 0; margin: 1.5rem 0 0; display: grid; gap: 1rem }
.steps li { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem; min-width: 0 }
.steps p { margin: 0 0 .5rem }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: .84rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
pre code { font: inherit }
pre b { color: var(--coral); font-weight: 600; user-select: none }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1.5rem; margin: 1.5rem 0 0 }
.facts h3 { margin: 0 0 .25rem; font-size: 1rem }
.facts code { white-space: nowrap }
.facts p { margin: 0; color: var(--soft); font-size: .95rem }
footer { color: var(--soft); font-size: .9rem; padding-top: 3rem; padding-bottom: 3rem }
@media (max-width: 46rem) { header svg { opacity: .22; right: -9rem } header div { padding-top: 3.5rem; padding-bottom: 3.5rem } }
`

export interface PageLinks {
  readonly hello: CID
  readonly harbours: CID
}

/**
 * The first page that a new node shows. No scripts and nothing from elsewhere;
 * links are absolute by CID, so that it works at `/` and below `/ipfs`.
 */
export function welcomePage ({ hello, harbours }: PageLinks): string {
  const steps: ReadonlyArray<readonly [string, string]> = [
    [`Read <a href="/ipfs/${hello}?filename=hello.txt">a file</a>. It is named by the hash of its bytes:`, `curl http://127.0.0.1:8480/ipfs/${hello}`],
    ['Read a part of it, as a video player would:', `curl -r 0-20 http://127.0.0.1:8480/ipfs/${hello}`],
    [`Open <a href="/ipfs/${harbours}/">a directory</a>, or a file in it <a href="/ipfs/${harbours}/genoa.txt">by its path</a>:`, `curl http://127.0.0.1:8480/ipfs/${harbours}/genoa.txt`],
    ['Take the block itself and check the hash with your own tools:', `curl -s 'http://127.0.0.1:8480/ipfs/${hello}?format=raw' | sha256sum`],
    ['Ask what the node did to get it:', `portolan explain ${hello}`],
    ['Read what others have: name a trustless gateway as a provider.', 'portolan serve --provider https://gateway.example']
  ]

  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Portolan: your node is running</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='-8 -8 16 16'%3E%3Cpath fill='%2317636c' d='M0-8 2-2 8 0 2 2 0 8-2 2-8 0-2-2Z'/%3E%3C/svg%3E">
<style>${STYLE}</style>
</head>
<body>
<header>
${COMPASS_ROSE.trim().replace('role="img" aria-label="A compass rose"', 'aria-hidden="true"')}
<div>
<h1>Portolan</h1>
<p>Your node is running. It reads IPFS content from the provider that serves it best, checks every block, keeps what it read, and can tell you what it did.</p>
</div>
</header>
<main>
<h2>Try it</h2>
<p>This page and everything it links to lies in your node's own store, so these work without a network. The address is the default one; <code>portolan serve</code> prints yours.</p>
<ol class="steps">
${steps.map(([text, command]) => `<li>\n<p>${text}</p>\n<pre><code><b>$ </b>${command.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</code></pre>\n</li>`).join('\n')}
</ol>
<h2>Good to know</h2>
<div class="facts">
<div><h3>It asks nobody you did not name</h3><p>Without providers or bootstrap peers in the configuration, this node contacts nobody at all.</p></div>
<div><h3>Only this machine can reach it</h3><p>It listens on 127.0.0.1. Another address is a decision: <code>--host</code>.</p></div>
<div><h3>It learns</h3><p>Slow, silent and lying providers are remembered, also over restarts. The good ones are asked first.</p></div>
<div><h3>It explains</h3><p>When a read fails, the answer says who was asked, when, and what came back.</p></div>
</div>
</main>
<footer>
<p>A portolan is a chart of the routes between harbours.</p>
</footer>
</body>
</html>
`
}
