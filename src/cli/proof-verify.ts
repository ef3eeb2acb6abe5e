import { join } from 'node:path'
import process from 'node:process'
import { privateDirectory } from '../config/private-file.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { fileProblem, FileTooLargeError, readBoundedFile } from '../privacy/proofs/bounded-file.ts'
import { ProofRefusedError } from '../privacy/proofs/errors.ts'
import { readMembershipGroup } from '../privacy/proofs/membership-group-file.ts'
import { MembershipVerifier } from '../privacy/proofs/membership-verifier.ts'
import { NullifierDirectory } from '../privacy/proofs/nullifier-directory.ts'
import { NOT_JSON, NotPlainJsonError } from '../privacy/proofs/plain-json.ts'
import { MAX_DOCUMENT_BYTES, readReportDocument } from '../privacy/proofs/report-document.ts'
import { messageOf } from '../privacy/proofs/statement.ts'
import { quote } from '../interface/quote.ts'
import { terminalOptions } from '../privacy/report/console-format.ts'
import { wrapText } from '../privacy/report/display-width.ts'
import { EXIT_FAILURE, EXIT_OK, UsageError } from './exit-code.ts'
import { painter } from './style.ts'
import { terminalJson, terminalText } from './terminal-text.ts'
import type { CommandContext } from './command.ts'
import type { MembershipClaim } from '../interface/privacy.ts'
import type { MembershipGroup } from '../privacy/proofs/membership-group.ts'

/** Where claims are remembered, within the store directory */
const CLAIMS = 'claims'

/** Columns of what is printed to a file or a pipe */
const DEFAULT_WIDTH = 100
/** Beyond, lines are hard to follow; below, words are broken */
const MAX_WIDTH = 120
const MIN_WIDTH = 40

/** The report cannot be read: there is nothing to verify */
export class ReportUnreadableError extends Error {
  static override name = 'ReportUnreadableError'
  override name = 'ReportUnreadableError'
}

interface VerifyOptions {
  readonly path: string
  readonly group: string
  /** Undefined for the one that the report names */
  readonly nonce?: string
  readonly claims?: string
  readonly json: boolean
}

/** `portolan proof verify FILE` */
export async function verify (context: CommandContext): Promise<number> {
  const { stdout, stderr, clock, signal, config } = context
  const options = verifyOptions(context)
  const document = await readDocument(options.path, signal)
  const group = await readMembershipGroup(options.group, { signal })

  if (options.claims == null) {
    await privateDirectory(config.store)
  }
  const nullifiers = await NullifierDirectory.open(options.claims ?? join(config.store, CLAIMS), { clock }, {}, { signal })

  try {
    const { proof, report, nonce } = readReportDocument(document)
    const expected = options.nonce ?? nonce
    if (expected == null) {
      throw new ProofRefusedError('malformed', 'the proof names no nonce that it was made for')
    }
    const claim = await new MembershipVerifier({ group, nullifiers, clock }).verify(proof, { report, nonce: expected }, { signal })
    stdout.write(options.json ? `${terminalJson(claim)}\n` : claimText(claim, group, context))
  } catch (err) {
    if (!(err instanceof ProofRefusedError)) {
      throw err
    }
    const { reason, message } = err
    if (options.json) {
      stdout.write(`${terminalJson({ result: 'refused', reason, message })}\n`)
    } else {
      stderr.write(terminalText(`portolan: the proof is refused (${reason}): ${message}${isNotJson(err) ? '; only a report that was made as JSON can be verified: portolan analyze --format json' : ''}\n`))
    }
    return EXIT_FAILURE
  }
  if (options.nonce == null) {
    stderr.write('the nonce is the one that the report names: the proof may have been made for somebody else, and handed on\n')
  }
  return EXIT_OK
}

/** A report as HTML, text or CSV, or another file altogether */
function isNotJson ({ cause }: ProofRefusedError): boolean {
  return cause instanceof NotPlainJsonError && cause.message === NOT_JSON
}

function verifyOptions ({ flags, positionals }: CommandContext): VerifyOptions {
  const { group, nonce, claims, 'any-nonce': any, json } = flags as { group?: string, nonce?: string, claims?: string, 'any-nonce'?: boolean, json?: boolean }

  if (group == null) {
    throw new UsageError('--group FILE says among whom the one is who made the report: the file of the group, as the members have it')
  }
  if ((nonce == null) !== (any === true)) {
    throw new UsageError(nonce == null
      ? '--nonce TEXT says which nonce you gave out for this report; without one, --any-nonce takes the one that it names'
      : '--nonce says which one, and --any-nonce that any will do: only one of them')
  }
  if (nonce != null) {
    messageOf('0'.repeat(64), nonce)
  }
  return { path: positionals[1] ?? '', group, json: json === true, ...nonce == null ? {} : { nonce }, ...claims == null ? {} : { claims } }
}

async function readDocument (path: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return path === '-' ? await readInput(signal) : await readBoundedFile(path, MAX_DOCUMENT_BYTES, { signal })
  } catch (err) {
    signal.throwIfAborted()
    throw new ReportUnreadableError(`the report ${path === '-' ? 'on standard input' : quote(path)} cannot be read: ${err instanceof FileTooLargeError ? err.message : fileProblem(err)}`, { cause: err })
  }
}

async function readInput (signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0

  const reading = (async () => {
    for await (const chunk of process.stdin) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).byteLength
      if (size > MAX_DOCUMENT_BYTES) {
        throw new FileTooLargeError(`it has more than ${MAX_DOCUMENT_BYTES} bytes, and no more are read`)
      }
    }
  })()
  try {
    await raceSignal(reading, signal)
  } finally {
    // whoever writes there goes on otherwise
    process.stdin.destroy()
  }
  return Buffer.concat(chunks)
}

/** A sentence, what it is about, and all that is proven and not */
function claimText (claim: MembershipClaim, group: MembershipGroup, { stdout, environment }: CommandContext): string {
  const paint = painter(stdout, environment)
  const { width = DEFAULT_WIDTH } = terminalOptions(stdout, environment)
  const columns = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, width))
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['group', `${claim.group}, ${claim.members} members, depth ${group.depth}`],
    ['epoch', `${claim.epoch}: ${moment(claim.epoch * group.epochMs)} to ${moment((claim.epoch + 1) * group.epochMs)} UTC`],
    ['report', `SHA-256 ${claim.report}`],
    ['nonce', claim.nonce],
    ...claim.proven.map(text => ['proven', text] as const),
    ...claim.notProven.map(text => ['not proven', text] as const)
  ]
  const head = wrapText(`verified: one of the ${claim.members} members of the group ${claim.group} stands behind this report, and has made its claim of this epoch with it`, columns)

  return `${[
    ...head.map(line => paint('green', line)),
    '',
    ...rows.flatMap(([name, text]) => wrapText(text, columns - 12).map((line, i) => `${paint('bold', (i === 0 ? name : '').padEnd(10))}  ${line}`))
  ].join('\n')}\n`
}

function moment (wall: number): string {
  return new Date(wall).toISOString().slice(0, 16).replace('T', ' ')
}
