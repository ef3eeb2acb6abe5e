import { readDialAddress } from '../exchange/lease/dial-address.ts'
import { quote } from '../interface/quote.ts'
import { privacyThresholds } from '../privacy/analysis/thresholds.ts'
import { createNonce } from '../privacy/proofs/report-digest.ts'
import { messageOf } from '../privacy/proofs/statement.ts'
import { reportFormats } from '../privacy/report/report-formats.ts'
import { UsageError } from './exit-code.ts'
import type { OwnFlags } from './command.ts'
import type { PrivacyThresholds } from '../interface/privacy.ts'

/** Identify is done after one second; for what needs 20 events a user says how long */
export const DEFAULT_DURATION = 10_000
/** A week: what is older than the newest 100 000 events is forgotten anyway */
const MAX_DURATION = 604_800_000
/** Nobody from outside can connect unless the user says where */
export const DEFAULT_LISTEN = '/ip4/127.0.0.1/tcp/0'
/** What libp2p dials at once: with more, those at the end would wait for longer than one may take */
const MAX_CONNECT = 100

/** What is told of: peers that this command watches, made up ones, or those of the node that runs on the store */
export type AnalyzeSource = 'real' | 'simulated' | 'node'

export interface AnalyzeProofOptions {
  readonly group: string
  readonly nonce: string
  /** Whether the reader gave it out */
  readonly given: boolean
  /** Where the files of the ceremony are, in place of the package */
  readonly artifacts?: string
}

export interface AnalyzeOptions {
  readonly source: AnalyzeSource
  /** Milliseconds */
  readonly duration: number
  readonly listen: readonly string[]
  readonly connect: readonly string[]
  readonly format: string
  /** Absent for standard output */
  readonly output?: string
  readonly raw: boolean
  readonly verbose: boolean
  readonly thresholds: PrivacyThresholds
  readonly proof?: AnalyzeProofOptions
}

/** Flags that make no sense where nobody is watched */
const WATCHING = ['duration', 'listen-addr', 'connect-to'] as const

/** Reads the flags; whatever is wrong is a UsageError or an InvalidOptionError, before anything was tried */
export function analyzeOptions (flags: OwnFlags): AnalyzeOptions {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const source = sourceOf(flags)
  const output = text('output')
  refuseIdleProofFlags(flags)

  return {
    source,
    duration: durationOf(text('duration')),
    listen: listOf(flags, 'listen-addr', [DEFAULT_LISTEN]),
    connect: connectOf(listOf(flags, 'connect-to', [])),
    format: formatOf(text('format') ?? 'console'),
    ...output == null || output === '-' ? {} : { output },
    raw: flags.raw === true,
    verbose: flags.verbose === true,
    thresholds: privacyThresholds({ ...threshold('ANONYMITY_SET_THRESHOLD', text('anonymity-set-threshold')), ...threshold('TIMING_CORRELATION_THRESHOLD', text('timing-correlation-threshold')) }),
    ...flags.zk === true ? { proof: proofOf(flags, source) } : {}
  }
}

function sourceOf (flags: OwnFlags): AnalyzeSource {
  const source = flags.simulate === true ? 'simulated' : flags.node === true ? 'node' : 'real'
  const idle = source === 'real' ? undefined : WATCHING.find(name => flags[name] != null && !(source === 'simulated' && name === 'duration'))

  if (flags.simulate === true && flags.node === true) {
    throw new UsageError('--simulate makes traffic up, and --node asks the node that runs: only one of them')
  }
  if (idle != null) {
    throw new UsageError(source === 'simulated'
      ? `--simulate makes its traffic up and connects to nobody: leave out --${idle}, or --simulate`
      : `--node asks the node that runs, which has connections of its own: leave out --${idle}, or --node`)
  }
  if (source === 'node' && ['anonymity-set-threshold', 'timing-correlation-threshold'].some(name => flags[name] != null)) {
    throw new UsageError('--node gives the report of the node that runs, by its own thresholds: leave these out')
  }
  return source
}

function listOf (flags: OwnFlags, name: string, otherwise: readonly string[]): readonly string[] {
  const list = flags[name]
  return Array.isArray(list) ? [...new Set(list as readonly string[])] : otherwise
}

function durationOf (text: string | undefined): number {
  const ms = text == null ? DEFAULT_DURATION : /^\d{1,6}(?:\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : NaN

  if (!(ms > 0 && ms <= MAX_DURATION)) {
    throw new UsageError(`--duration must be a number of seconds above 0 and up to ${MAX_DURATION / 1000}, got ${quote(text, 40)}`)
  }
  return ms
}

function connectOf (addresses: readonly string[]): readonly string[] {
  if (addresses.length > MAX_CONNECT) {
    throw new UsageError(`--connect-to may be given ${MAX_CONNECT} times, not ${addresses.length}`)
  }
  for (const address of addresses) {
    const read = readDialAddress(address)
    const why = 'why' in read ? read.why : read.address.relay == null ? undefined : 'it leads through a relay, and this command connects directly'
    if (why != null) {
      throw new UsageError(`--connect-to must be an address like /ip4/127.0.0.1/tcp/4001/p2p/PEER-ID, got ${quote(address)}: ${why}`)
    }
  }
  return addresses
}

function formatOf (name: string): string {
  const { names } = reportFormats()

  if (!names.includes(name)) {
    throw new UsageError(`there is no format ${quote(name, 40)}; --format may be ${names.join(', ')}`)
  }
  return name
}

function threshold (name: keyof PrivacyThresholds, text: string | undefined): Partial<PrivacyThresholds> {
  // an empty text would be 0, and what is no number is refused with the range
  return text == null ? {} : { [name]: text.trim() === '' ? NaN : Number(text) }
}

function proofOf (flags: OwnFlags, source: AnalyzeSource): AnalyzeProofOptions {
  const { 'zk-group': group, 'zk-nonce': given, 'zk-artifacts': artifacts } = flags as Record<string, string | undefined>

  if (source === 'node') {
    throw new UsageError('--zk proves who hands on a report that is made here: leave out --node')
  }
  if (group == null) {
    throw new UsageError('--zk proves that the report is by a member of a group, and --zk-group FILE says which: a file of commitments, each signed by its peer. portolan proof join NAME makes the entry of this node')
  }
  const nonce = given ?? createNonce()
  messageOf('0'.repeat(64), nonce)
  return { group, nonce, given: given != null, ...artifacts == null ? {} : { artifacts } }
}

function refuseIdleProofFlags (flags: OwnFlags): void {
  const idle = ['zk-group', 'zk-nonce', 'zk-artifacts'].find(flag => flags[flag] != null)

  if (flags.zk !== true && idle != null) {
    throw new UsageError(`--${idle} is for a proof: add --zk`)
  }
}
