/**
 * `npm run demo`: five providers, of which two are any good; one file, read
 * twice. Nothing leaves this machine.
 */
import { createHeliaLight } from 'helia'
import { withContentRouting } from '../../src/index.ts'
import { account, printSummary, printTimeline } from './account.ts'
import { setScene } from './scene.ts'
import { ProgressBar, bytes, heading, ms, pad, paint, print } from './screen.ts'
import type { Account } from './account.ts'
import type { HeliaContentRouting } from '../../src/index.ts'
import type { SampleFile } from '../../src/testing/index.ts'

/** Reads the file through content routing with a progress bar; every byte is compared with what was stored */
async function read (file: SampleFile, routing: HeliaContentRouting): Promise<number> {
  const bar = new ProgressBar(file.bytes.byteLength)
  let at = 0
  for await (const chunk of routing.retrieveContent(file.root)) {
    if (Buffer.compare(chunk, file.bytes.subarray(at, at + chunk.byteLength)) !== 0) {
      throw new Error(`Wrong bytes at ${at}: this must never happen`)
    }
    at += chunk.byteLength
    bar.add(chunk.byteLength)
  }
  if (at !== file.bytes.byteLength) {
    throw new Error(`Only ${at} of ${file.bytes.byteLength} bytes came`)
  }
  return bar.end()
}

const scene = await setScene()
const helia = withContentRouting(createHeliaLight({ routers: [scene.router] }), { allowAddresses: ['127.0.0.0/8'] })
await helia.start()

try {
  print(paint('bold', 'Five providers on 127.0.0.1. A router says that each of them has the file.'))
  for (const { name, says, provider } of scene.actors) {
    print(`  ${pad(name, 8)}${pad(new URL(provider.url).host, 17)}${says}`)
  }

  heading(`First read: ${bytes(scene.file.bytes.byteLength)} in ${scene.file.blocks.size} blocks. Nothing is known about anybody yet.`)
  const first = await read(scene.file, helia.contentRouting)
  const firstAccount = account(scene, helia.contentRouting)

  heading('Who was asked, why, and what came back')
  printTimeline(firstAccount)
  heading('What the node made of it')
  printSummary(scene, firstAccount, helia.contentRouting)

  await helia.gc() // nothing is pinned: the blocks go, what was learnt stays
  heading('Second read: the blocks were dropped, the experience was kept.')
  const second = await read(scene.file, helia.contentRouting)
  const secondAccount = account(scene, helia.contentRouting)
  print()
  printTimeline(secondAccount)
  print()
  printSummary(scene, secondAccount, helia.contentRouting)

  heading(`${ms(first)} the first time, ${ms(second)} the second.`)
  compare(firstAccount, secondAccount)
} finally {
  await helia.stop()
  await scene.close()
}

/** How often the useless two were asked, before and after */
function compare (before: Account, after: Account): void {
  for (const [name, who] of [['silent', 'The silent one'], ['liar', 'The liar']] as const) {
    const asked = (of: Account): string => times(of.tally.get(name)?.asked ?? 0)
    print(`${who} was asked ${asked(before)} in the first read, ${asked(after)} in the second.`)
  }
}

function times (n: number): string {
  return n === 0 ? 'never' : n === 1 ? 'once' : `${n} times`
}
