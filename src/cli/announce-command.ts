import { existsSync } from 'node:fs'
import { parseCID } from '../block/cid.ts'
import { askNode } from './control-egress.ts'
import { EXIT_FAILURE, EXIT_OK, UsageError } from './exit-code.ts'
import { nodeWork } from './node-lines.ts'
import { ownNodeDisclosure } from './own-request.ts'
import { bar } from './progress.ts'
import { NodeGoneError } from './remote-reader.ts'
import { runningNode, storeIsTaken } from './running-node.ts'
import { WorkReport } from './work-report.ts'
import type { Command, CommandContext } from './command.ts'
import type { RunningNode } from './control-egress.ts'

interface Progress {
  readonly announced: number
  readonly lookups: number
}

interface Announced {
  readonly announced: number
  /** Why the others were not */
  readonly failed: readonly string[]
}

/** Characters of the CIDs of one request: within what the control endpoint reads of one */
const MAX_QUERY = 6_000

/** `portolan announce CID...` */
export const announceCommand: Command = {
  name: 'announce',
  summary: 'Tell the DHT that the running node has these blocks',
  arguments: 'CID...',
  minArguments: 1,
  maxArguments: Infinity,
  description: `Has the running \`portolan serve\` on the same store tell the DHT that it has these blocks, now and every 22 h as long as they are
stored. They must be stored there, and only the blocks named are announced: of a file its root is what others look for first. The node must serve
somebody (\`exchange.serve\`), listen and be part of a DHT. Exits with 1 when one of them could not be announced.`,
  examples: ['portolan announce bafkrei...', 'portolan cache ls --json | jq -r .cid | xargs portolan announce', 'portolan announce --cancel bafkrei...'],
  own: {
    cancel: { type: 'boolean', description: 'Announce them no more. What others know lasts for two days; what a strategy (exchange.announce) names goes on.' },
    json: { type: 'boolean', description: 'Print JSON, an object a line: how far it is, and at last what came of it.' }
  },
  options: ['store.path', 'log.level'],

  async run (context) {
    const { positionals, flags } = context
    const cids = [...new Set(positionals.map(text => String(parseCID(text))))]
    const node = await announcingNode(context)
    return flags.cancel === true ? await cancel(context, node, cids) : await announce(context, node, cids)
  }
}

async function announcingNode (context: CommandContext): Promise<RunningNode> {
  if (!existsSync(context.config.store) || !await storeIsTaken(context)) {
    throw new UsageError(`no node runs on the store ${context.config.store}: start one that others can come to (portolan serve), or name its store with --store DIR`)
  }
  return await runningNode(context)
}

async function announce (context: CommandContext, node: RunningNode, cids: readonly string[]): Promise<number> {
  const { signal } = context
  const report = new WorkReport(context)
  const failed: string[] = []
  let announced = 0

  await report.during(async () => {
    for (const batch of batches(cids)) {
      const before = announced
      const done = await nodeWork<Progress, Announced>(await ask(context, node, '/api/announce', batch), {
        signal,
        onProgress: progress => { report.tellOf({ announced: before + progress.announced, total: cids.length }, () => `${bar(before + progress.announced, cids.length)}  ${before + progress.announced} of ${cids.length} announced`) }
      })
      announced += done.announced
      failed.push(...done.failed)
    }
  })
  await report.end({ announced, failed }, `${announced} of ${cids.length} announced${failed.length === 0 ? '' : `:\n${failed.map(why => `  ${why}`).join('\n')}`}`)
  return failed.length === 0 ? EXIT_OK : EXIT_FAILURE
}

async function cancel (context: CommandContext, node: RunningNode, cids: readonly string[]): Promise<number> {
  const report = new WorkReport(context)

  await report.during(async () => {
    for (const batch of batches(cids)) {
      await (await ask(context, node, '/api/announce/cancel', batch)).body?.cancel()
    }
  })
  await report.end({ cancelled: cids.length }, `${cids.length} announced no more`)
  return EXIT_OK
}

async function ask ({ signal }: CommandContext, node: RunningNode, path: string, cids: readonly string[]): Promise<Response> {
  const response = await askNode(node, path, { cids: cids.join(',') }, ownNodeDisclosure(signal), { signal, method: 'POST' })

  if (response == null) {
    throw new NodeGoneError(node)
  }
  return response
}

function batches (cids: readonly string[]): string[][] {
  const all: string[][] = []
  let length = Infinity

  for (const cid of cids) {
    if (length + cid.length > MAX_QUERY) {
      all.push([])
      length = 0
    }
    all.at(-1)?.push(cid)
    // a comma is three characters in a query
    length += cid.length + 3
  }
  return all
}
