import { PrivacyAnalyzer } from '../privacy/analysis/analyzer.ts'
import { MetadataCollector } from '../privacy/collector/metadata-collector.ts'
import { DisclosureLedger } from '../privacy/ledger/disclosure-ledger.ts'
import { terminalOptions } from '../privacy/report/console-format.ts'
import { checkReportFile, writeReport } from '../privacy/report/report-file.ts'
import { reportFormats } from '../privacy/report/report-formats.ts'
import { timelineOf } from '../privacy/report/report-timeline.ts'
import { connectAll } from './analyze-connect-egress.ts'
import { startAnalyzeNode, stopAnalyzeNode } from './analyze-node.ts'
import { analyzeOptions } from './analyze-options.ts'
import { openProver } from './analyze-proof.ts'
import { runningReport } from './analyze-running.ts'
import { simulatedTraffic } from './analyze-simulated.ts'
import { logConnections, watch } from './analyze-watch.ts'
import { EXIT_FAILURE, EXIT_OK } from './exit-code.ts'
import { componentLogger } from './logger.ts'
import type { AnalyzeOptions } from './analyze-options.ts'
import type { AnalyzeProver } from './analyze-proof.ts'
import type { CommandContext } from './command.ts'
import type { LogLevel } from './logger.ts'
import type { ObservationSource } from '../interface/privacy.ts'

/** None of the peers that were named could be reached */
export class NotConnectedError extends Error {
  static override name = 'NotConnectedError'
  override name = 'NotConnectedError'
}

/** Watches, or makes up, what is to be analysed; writes the report */
export async function analyze (context: CommandContext): Promise<number> {
  const { stderr, clock } = context
  const options = analyzeOptions(context.flags)
  const { output, proof } = options

  if (output != null) {
    await checkReportFile(output)
  }
  if (options.source === 'node') {
    await write(context, options, await runningReport(context, options))
    return EXIT_OK
  }
  const prover = proof == null ? undefined : await openProver(context, proof)

  try {
    if (options.source === 'simulated') {
      stderr.write('simulated traffic: this says nothing about a real node\n')
      return await report(context, options, simulatedTraffic(clock.wall()), prover)
    }
    return await analyzePeers(context, options, prover)
  } finally {
    await prover?.close()
  }
}

async function analyzePeers (context: CommandContext, options: AnalyzeOptions, prover?: AnalyzeProver): Promise<number> {
  const { config, environment, stderr, signal, clock } = context
  const { listen, connect, duration, verbose } = options
  const libp2p = await startAnalyzeNode({ listen, clock, signal, logger: componentLogger(config.values['log.level'] as LogLevel, environment) })
  // what this command tells others by itself: that it is there
  const ledger = new DisclosureLedger({ clock })
  const collector = new MetadataCollector(libp2p, { clock, ledger })
  const stopLog = verbose ? logConnections(libp2p, context) : () => {}

  try {
    libp2p.getMultiaddrs().forEach(address => { stderr.write(`listening on ${address.toString()}\n`) })
    const { connected, failures } = await connectAll(libp2p, connect, { clock, signal, ledger })
    failures.forEach(({ address, why }) => { stderr.write(`could not connect to ${address}: ${why}\n`) })
    if (connect.length > 0 && connected === 0) {
      throw new NotConnectedError(`${connect.length === 1 ? 'the peer' : `none of the ${connect.length} peers`} named by --connect-to could ${connect.length === 1 ? 'not ' : ''}be reached, so that there is nothing to analyse`)
    }
    stderr.write(`${connect.length > 0 ? `connected to ${connected} of ${connect.length}; ` : ''}watching for ${duration / 1000} s, Ctrl-C ends it sooner\n`)
    await watch(context, collector, duration)

    if (collector.getStatistics().totalConnections === 0) {
      stderr.write('nobody connected: there is too little data to say anything\n')
    }
    return await report(context, options, withoutSelf(collector), prover)
  } finally {
    stopLog()
    collector.detach()
    await stopAnalyzeNode(libp2p, clock)
  }
}

/** What this command tells by itself is no finding: its node is thrown away, and peers are what is looked at */
function withoutSelf (collector: MetadataCollector): ObservationSource {
  return {
    observations () {
      const { self, ...others } = collector.observations()
      return others
    },
    getStatistics: () => collector.getStatistics()
  }
}

/** From here on Ctrl-C is no reason to leave the report out: the user pressed it to get it */
async function report (context: CommandContext, options: AnalyzeOptions, source: ObservationSource, prover?: AnalyzeProver): Promise<number> {
  const { stdout, stderr, environment, clock } = context
  const { format, output, raw, verbose, thresholds } = options
  const data = new PrivacyAnalyzer(source, thresholds, { clock, node: { kind: 'libp2p' } }).analyze().toJSON()
  const proof = await prover?.prove(data, { raw })

  await write(context, options, reportFormats().render(format, data, {
    raw,
    verbose,
    timeline: timelineOf(source.observations()),
    ...proof == null ? {} : { proof },
    ...output == null ? terminalOptions(stdout, environment) : {}
  }))
  if (options.proof?.given === false) {
    stderr.write('the nonce of the proof is of its own making: a reader who wants to know that it is no old one gives one out, for --zk-nonce\n')
  }
  if (proof != null && proof.result !== 'verified') {
    stderr.write(`no proof was made: ${proof.reason}\n`)
    return EXIT_FAILURE
  }
  return EXIT_OK
}

async function write ({ stdout, stderr }: CommandContext, { output }: AnalyzeOptions, text: string): Promise<void> {
  if (output == null) {
    stdout.write(text.endsWith('\n') ? text : `${text}\n`)
    return
  }
  await writeReport(output, text.endsWith('\n') ? text : `${text}\n`)
  stderr.write(`written to ${output}\n`)
}
