import { readConfig } from '../config/file.ts'
import { systemClock } from '../clock/system-clock.ts'
import { didYouMean } from '../interface/suggest.ts'
import { EXIT_FAILURE, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, EXIT_USAGE, UsageError } from './exit-code.ts'
import { analyzeCommand } from './analyze-command.ts'
import { announceCommand } from './announce-command.ts'
import { cacheCommand } from './cache-command.ts'
import { explainCommand } from './explain-command.ts'
import { getCommand } from './get-command.ts'
import { commandHelp, helpWidth, programHelp } from './help.ts'
import { whomToName } from './nobody-named.ts'
import { parseArguments } from './parse.ts'
import { proofCommand } from './proof-command.ts'
import { serveCommand } from './serve-command.ts'
import { Interrupted, Signals } from './signals.ts'
import { terminalText } from './terminal-text.ts'
import { version } from './version.ts'
import type { Command } from './command.ts'
import type { RetrievalFailedError } from '../interface/errors.ts'

export const COMMANDS: readonly Command[] = [serveCommand, getCommand, explainCommand, cacheCommand, announceCommand, analyzeCommand, proofCommand]

/** Wrong before anything was tried: usage, not failure */
const USAGE_ERRORS = new Set(['UsageError', 'InvalidOptionError', 'InvalidCIDError', 'InvalidProviderError'])

/** Runs one command line and resolves with its exit code */
export async function run (args: readonly string[]): Promise<number> {
  const { stderr } = process
  const signals = new Signals(process)

  try {
    return await dispatch(args, signals)
  } catch (err) {
    return report(err, signals, stderr)
  } finally {
    signals.close()
    // what a command opened is closed by now; a leak must not keep the shell waiting
    systemClock.schedule(LEAK_TIMEOUT, () => {
      stderr.write('portolan: something still runs that should have ended; leaving\n')
      process.exit()
    })
  }
}

/** Far longer than sockets take to close, and still within the 5 s that Ctrl-C promises */
const LEAK_TIMEOUT = 2000

async function dispatch (args: readonly string[], signals: Signals): Promise<number> {
  const { stdout, stderr } = process
  const [name = '--help', ...rest] = args

  if (name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    stdout.write(programHelp(COMMANDS, helpWidth(stdout)))
    return args.length === 0 ? EXIT_USAGE : EXIT_OK
  }
  if (name === '--version' || name === '-V') {
    stdout.write(`${version()}\n`)
    return EXIT_OK
  }
  const wanted = name === 'help' ? rest[0] ?? '' : name
  const command = COMMANDS.find(({ name }) => name === wanted)

  if (command == null) {
    throw new UsageError(wanted.startsWith('-')
      ? `the command comes first: portolan COMMAND ${wanted}`
      : `there is no command ${JSON.stringify(wanted)}${didYouMean(wanted, COMMANDS.map(({ name }) => name), 'portolan ')}`)
  }
  const parsed = parseArguments(command, name === 'help' ? ['--help'] : rest)

  if (parsed.own.help === true || parsed.own.version === true) {
    stdout.write(parsed.own.help === true ? commandHelp(command, helpWidth(stdout)) : `${version()}\n`)
    return EXIT_OK
  }
  const config = readConfig({ flags: parsed.config, environment: process.env, config: parsed.own.config as string | undefined })

  return await command.run({ config, positionals: parsed.positionals, flags: parsed.own, stdout, stderr, environment: process.env, signal: signals.signal, clock: systemClock })
}

function report (err: unknown, signals: Signals, stderr: NodeJS.WritableStream): number {
  const reason: unknown = signals.signal.reason
  if (reason instanceof Interrupted) {
    if (reason.why === 'closed') {
      // `portolan get … | head`: whoever read has had enough
      return EXIT_OK
    }
    if (reason.why === 'unwritable') {
      return EXIT_FAILURE
    }
    return reason.why === 'SIGINT' ? EXIT_SIGINT : EXIT_SIGTERM
  }
  const error = err instanceof Error ? err : new Error(String(err))
  const { story } = error as RetrievalFailedError

  // providers, directories and other programs have a hand in messages
  stderr.write(terminalText(`portolan: ${error.message}\n${story == null ? '' : `\n${String(story)}\n`}`))
  const advice = whomToName(error.message)
  if (advice != null) {
    stderr.write(`${advice}\n`)
  }
  if (error.name === 'UsageError') {
    stderr.write('portolan --help shows the commands, portolan COMMAND --help its flags\n')
  }
  return USAGE_ERRORS.has(error.name) ? EXIT_USAGE : EXIT_FAILURE
}
