import { PRIVACY_REPORT_PATH } from '../gateway/privacy-control.ts'
import { terminalOptions } from '../privacy/report/console-format.ts'
import { askNode } from './control-egress.ts'
import { UsageError } from './exit-code.ts'
import { ownNodeDisclosure } from './own-request.ts'
import { NodeGoneError } from './remote-reader.ts'
import { runningNode, storeIsTaken } from './running-node.ts'
import type { AnalyzeOptions } from './analyze-options.ts'
import type { CommandContext } from './command.ts'

/** The report of the node that runs on the store, written as it writes it */
export async function runningReport (context: CommandContext, { format, raw, verbose, output }: AnalyzeOptions): Promise<string> {
  const { config, signal, stdout, environment } = context

  if (!await storeIsTaken(context)) {
    throw new UsageError(`no node runs on the store ${config.store}: start one with portolan serve, or leave out --node`)
  }
  const node = await runningNode(context)
  const { width } = output == null ? terminalOptions(stdout, environment) : {}
  const response = await askNode(node, PRIVACY_REPORT_PATH, {
    format,
    ...raw ? { raw: '1' } : {},
    ...verbose ? { verbose: '1' } : {},
    ...width == null ? {} : { width: String(width) }
  }, ownNodeDisclosure(signal), { signal })

  if (response == null) {
    throw new NodeGoneError(node)
  }
  return await response.text()
}
