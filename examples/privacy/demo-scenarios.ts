/**
 * Five demonstrations with real nodes on loopback, each of what somebody could
 * learn: timing correlation, a small anonymity set, a protocol fingerprint; then
 * a proof of membership, and a report with everything in it.
 *
 *     node examples/privacy/demo-scenarios.ts
 *     node examples/privacy/demo-scenarios.ts timing proof
 */
import { anonymity } from './support/anonymity-demo.ts'
import { proof } from './support/proof-demo.ts'
import { protocols } from './support/protocol-demo.ts'
import { report } from './support/report-demo.ts'
import { timing } from './support/timing-demo.ts'

const DEMONSTRATIONS: Readonly<Record<string, readonly [title: string, run: () => Promise<void>]>> = {
  timing: ['Timing correlation: two peers that have nothing to do with each other, but for one node', timing],
  anonymity: ['A small anonymity set: who could have asked?', anonymity],
  protocols: ['Protocol fingerprinting: recognised by what it speaks', protocols],
  proof: ['Proof showcase: one of us says so, and not which', proof],
  report: ['A comprehensive report, in four formats', report]
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(DEMONSTRATIONS)
const strange = wanted.find(name => !Object.hasOwn(DEMONSTRATIONS, name))

if (strange != null) {
  console.error(`there is no demonstration ${JSON.stringify(strange)}; there are ${Object.keys(DEMONSTRATIONS).join(', ')}`)
  process.exitCode = 2
} else {
  for (const [i, name] of wanted.entries()) {
    const [title, run] = DEMONSTRATIONS[name] as (typeof DEMONSTRATIONS)[string]
    console.log(`${i === 0 ? '' : '\n\n'}${title}\n${'='.repeat(title.length)}\n`)
    await run()
  }
}
