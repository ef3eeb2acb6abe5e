import { SIZE_AS_BEFORE } from './cache-size.ts'
import { EXIT_OK } from './exit-code.ts'
import { OutputError, fileSink, streamSink } from './output-file.ts'
import { ProgressLine, transferLine } from './progress.ts'
import { parseTarget } from './target.ts'
import { withReader } from './with-reader.ts'
import type { Command, CommandContext } from './command.ts'
import type { Reader, Target } from './reader.ts'

/** `portolan get CID[/PATH] [-o FILE]` */
export const getCommand: Command = {
  name: 'get',
  summary: 'Read a file to standard output or into FILE',
  arguments: 'CID[/PATH]',
  minArguments: 1,
  maxArguments: 1,
  description: `Reads a file and writes its bytes, every block checked against its CID. Beside a running
\`portolan serve\` on the same store it asks that node, otherwise it does the read itself.`,
  examples: [
    'portolan get bafybei.../readme.md',
    'portolan get bafybei... -o film.mp4',
    'portolan get bafkrei... --provider https://gateway.example'
  ],
  own: { output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'Write to FILE, which appears whole or not at all; - is standard output.' } },
  options: ['routing.providers', 'routing.routers', 'routing.ownRouters', 'routing.allowAddresses', 'routing.mode', 'routing.timeout', 'block.maxSize', 'block.allowSha1', 'libp2p.bootstrap', 'libp2p.dhtProtocol', 'exchange.siblings', 'store.path', 'cache.size', 'log.level'],
  defaults: { 'cache.size': SIZE_AS_BEFORE },

  async run (context) {
    const target = parseTarget(context.positionals[0] ?? '')
    await withReader(context, async reader => { await get(context, reader, target) })
    return EXIT_OK
  }
}

async function get (context: CommandContext, reader: Reader, target: Target): Promise<void> {
  const { stdout, stderr, signal, clock, flags } = context
  const path = flags.output === '-' ? undefined : flags.output as string | undefined
  // before anybody is asked for anything: a read into nowhere costs others something too
  const sink = path == null ? streamSink(stdout, signal) : await fileSink(path)
  const progress = new ProgressLine(stderr, clock)
  const began = clock.now()
  let done = 0

  try {
    progress.show(() => 'looking for the file ...')
    const { size, bytes } = await reader.open(target, { signal })

    for await (const chunk of bytes) {
      if (done === 0 && path == null && stdout.isTTY && chunk.subarray(0, 512).includes(0)) {
        throw new OutputError('this is not text, and the terminal would show nonsense; use -o FILE, or pipe it into a program')
      }
      await sink.write(chunk)
      done += chunk.byteLength
      // on a terminal the text itself is the progress
      if (path != null || !stdout.isTTY) {
        progress.show(() => transferLine(done, size, clock.now() - began))
      }
    }
    await sink.commit()
  } finally {
    progress.clear()
    await sink.abandon()
  }
  if (path != null && stderr.isTTY) {
    stderr.write(`${path}: ${transferLine(done, undefined, clock.now() - began)}\n`)
  }
}
