import { SIZE_AS_BEFORE } from './cache-size.ts'
import { EXIT_FAILURE, EXIT_OK } from './exit-code.ts'
import { whomToName } from './nobody-named.ts'
import { privacyTable } from './privacy-table.ts'
import { ProgressLine } from './progress.ts'
import { painter, paintStory } from './style.ts'
import { parseTarget } from './target.ts'
import { terminalJson, terminalText } from './terminal-text.ts'
import { withReader } from './with-reader.ts'
import type { Command } from './command.ts'

/** `portolan explain CID` */
export const explainCommand: Command = {
  name: 'explain',
  summary: 'Tell who was asked for a block, why, and what came back',
  arguments: 'CID[/PATH]',
  minArguments: 1,
  maxArguments: 1,
  description: `Prints the timeline of the last retrieval of a block. Beside a running \`portolan serve\` on the
same store it asks that node, which reads the block first if it has not yet; otherwise it does
the read itself. With --privacy it prints which parties learnt of the block instead: in which form, over what,
when, and whether that was needed. Exits with 1 when the block could not be had.`,
  examples: ['portolan explain bafkrei...', 'portolan explain bafkrei... --provider https://gateway.example', 'portolan explain --privacy bafkrei...', 'portolan explain --json bafkrei... | jq .cost'],
  own: {
    privacy: { type: 'boolean', description: 'Print who learnt of the block, from the ledger of the node.' },
    json: { type: 'boolean', description: 'Print the story, or with --privacy who learnt of it, as JSON.' }
  },
  options: ['routing.providers', 'routing.routers', 'routing.ownRouters', 'routing.allowAddresses', 'routing.mode', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap', 'libp2p.dhtProtocol', 'exchange.siblings', 'store.path', 'cache.size', 'log.level'],
  defaults: { 'cache.size': SIZE_AS_BEFORE },

  async run (context) {
    const { stdout, stderr, signal, clock, environment, flags } = context
    const target = parseTarget(context.positionals[0] ?? '')
    const progress = new ProgressLine(stderr, clock)

    try {
      const { text, story, privacy, error } = await withReader(context, async reader => {
        progress.show(() => 'reading ...')
        return await reader.explain(target, { signal, privacy: flags.privacy === true, onProgress: phase => { progress.show(() => `reading: ${phase} ...`) } })
      })
      progress.clear()
      const paint = painter(stdout, environment)
      const shown = flags.json === true
        ? terminalJson(privacy ?? story)
        : privacy == null ? paintStory(terminalText(text), paint) : privacyTable(privacy, paint, stdout.columns > 0 ? stdout.columns : undefined)
      stdout.write(`${shown}\n`)
      const advice = whomToName(error ?? '')
      if (advice != null) {
        stderr.write(`${advice}\n`)
      }
      return error == null ? EXIT_OK : EXIT_FAILURE
    } finally {
      progress.clear()
    }
  }
}
