import { fork } from 'node:child_process'
import process from 'node:process'
import { anySignal } from 'any-signal'
import { raceSignal } from '../../clock/race-signal.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError, MissingDependencyError } from '../../interface/errors.ts'
import { checkComponents, checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { checkArtifacts, locateArtifacts } from './artifacts.ts'
import { claimOf } from './claim.ts'
import { ArtifactError, MembershipGroupError, NotAMemberError, ProverError } from './errors.ts'
import { MAX_DIGITS, toScalar } from './field.ts'
import { checkPairing } from './membership-verifier.ts'
import { parseProof, PROOF_NUMBERS } from './proof-format.ts'
import { messageOf, nullifierOf, PUBLIC_SIGNALS, publicSignals, scopeOf, STATEMENT } from './statement.ts'
import type { Artifacts, Packages } from './artifacts.ts'
import type { MemberIdentity } from './member-identity.ts'
import type { MembershipGroup } from './membership-group.ts'
import type { ExpectedClaim } from './membership-verifier.ts'
import type { ProofAnswer, ProofOrder } from './prover-messages.ts'
import type { Depth } from './statement.ts'
import type { Clock } from '../../interface/clock.ts'
import type { MembershipClaim } from '../../interface/privacy.ts'
import type { ChildProcess } from 'node:child_process'

/** Ten times what a proof takes on a busy machine with two cores: what takes longer does not end */
export const DEFAULT_PROOF_TIMEOUT = 10_000

/** A proof at a time, each of half a second: whoever comes after so many waits for longer than anybody should */
const MAX_WAITING = 8

/** A killed process is gone in milliseconds; nobody waits for one that the kernel holds */
const EXIT_TIMEOUT = 2_000

/** MiB of heap: half of it has been enough for the deepest circuit */
const MAX_HEAP = 512

const PROCESS = new URL(import.meta.url.endsWith('.ts') ? './prover-process.ts' : './prover-process.js', import.meta.url)

export interface MembershipProverComponents {
  /** @default the machine's */
  clock?: Clock
  /** @default as installed beside portolan */
  packages?: Packages
  /** @default Node's own */
  fork?: typeof fork
}

export interface MembershipProverInit {
  /** As the group has it */
  depth: Depth
  /** Where `semaphore-DEPTH.{wasm,zkey,json}` are. @default the package `@zk-kit/semaphore-artifacts` */
  artifacts?: string
  /** Longest time for one proof, in ms. @default 10_000 */
  timeout?: number
  /** What is run for a proof. @default our own */
  process?: URL
}

const OPTIONS = Object.keys({ depth: true, artifacts: true, timeout: true, process: true } satisfies Record<keyof MembershipProverInit, true>)

export interface ClaimInit extends ExpectedClaim {
  readonly identity: MemberIdentity
  readonly group: MembershipGroup
}

/**
 * Makes proofs, each in a process of its own that is ended with it: one at a
 * time, and never longer than the timeout. What comes out is verified here, by
 * other code than it was made with.
 */
export class MembershipProver {
  readonly depth: Depth
  readonly #artifacts: Artifacts
  readonly #timeout: number
  readonly #process: URL
  readonly #clock: Clock
  readonly #fork: typeof fork
  readonly #closing = new AbortController()
  /** The proof that is made, or was made last; never rejects */
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  private constructor ({ clock = systemClock, fork: forkProcess = fork }: MembershipProverComponents, init: MembershipProverInit, artifacts: Artifacts) {
    const { depth, timeout = DEFAULT_PROOF_TIMEOUT } = init
    this.depth = depth
    this.#artifacts = artifacts
    this.#timeout = timeout
    this.#process = init.process ?? PROCESS
    this.#clock = clock
    this.#fork = forkProcess
  }

  /** Throws a `MissingDependencyError` that says what to install, and an `ArtifactError` when the artifacts are not those of the ceremony */
  static async open (components: MembershipProverComponents, init: MembershipProverInit, options: { signal?: AbortSignal } = {}): Promise<MembershipProver> {
    checkComponents('a prover', components, OPTIONS, option => `MembershipProver.open({}, { ${option} })`)
    checkOptionNames('a prover', init, OPTIONS)
    const { timeout = DEFAULT_PROOF_TIMEOUT } = init
    if (!Number.isFinite(timeout) || timeout <= 0) {
      throw new InvalidOptionError(`timeout must be a number of ms above 0, got ${String(timeout)}`)
    }
    const artifacts = locateArtifacts(init.depth, init.artifacts, components.packages)
    await checkArtifacts(init.depth, artifacts, options)
    return new MembershipProver(components, init, artifacts)
  }

  /** Proves that this identity is of this group, for one report and nonce, in the epoch that is now */
  async prove (claim: ClaimInit, { signal }: { signal?: AbortSignal } = {}): Promise<MembershipClaim> {
    const stop = anySignal([signal, this.#closing.signal])

    try {
      stop.throwIfAborted()
      if (this.#waiting >= MAX_WAITING) {
        throw new ProverError(`${MAX_WAITING} proofs are being waited for: try again when they are made`)
      }

      this.#waiting++
      try {
        const turn = this.#last.then(async () => this.#prove(claim, stop))
        this.#last = turn.catch(() => {})
        return await raceSignal(turn, stop)
      } finally {
        this.#waiting--
      }
    } finally {
      stop.clear()
    }
  }

  /** Ends the proof under way, and makes no more. Resolves when no process is left. */
  async close (): Promise<void> {
    this.#closing.abort(new ProverError('the prover was closed'))
    await this.#last
  }

  async #prove ({ identity, group, report, nonce }: ClaimInit, signal: AbortSignal): Promise<MembershipClaim> {
    signal.throwIfAborted()
    const now = this.#clock.wall()
    const path = group.path(identity.commitment)

    if (group.depth !== this.depth) {
      throw new MembershipGroupError(`the group ${quote(group.name)} is of depth ${group.depth}, and this prover of ${this.depth}`)
    }
    if (!group.isValid(now)) {
      throw new MembershipGroupError(`the file of the group ${quote(group.name)} is not valid now: another one is needed`)
    }
    if (path == null) {
      throw new NotAMemberError(`this identity is none of the ${group.size} members of the group ${quote(group.name)}: its commitment is ${identity.commitment}`)
    }

    const epoch = group.epochAt(now)
    const scope = scopeOf(group.name, epoch)
    const message = messageOf(report, nonce)
    const nullifier = nullifierOf(identity, scope)
    const answer = await this.#ask({
      depth: this.depth,
      artifacts: this.#artifacts,
      input: {
        secret: String(identity.secret),
        merkleProofLength: path.siblings.length,
        merkleProofIndex: path.index,
        merkleProofSiblings: Array.from({ length: this.depth }, (_, i) => String(path.siblings[i] ?? 0n)),
        scope: String(toScalar(scope)),
        message: String(toScalar(message))
      }
    }, signal)

    if (answer.signals.join() !== publicSignals(group.root, nullifier, message, scope).join()) {
      throw new ProverError('the prover\'s process made a proof of something else')
    }

    const proof = parseProof({
      version: 1,
      statement: STATEMENT,
      group: group.name,
      epoch,
      merkleTreeDepth: this.depth,
      merkleTreeRoot: String(group.root),
      nullifier: String(nullifier),
      message: String(message),
      scope: String(scope),
      points: answer.points
    })
    await checkPairing(proof)
    return claimOf(proof, { size: group.size, report, nonce })
  }

  async #ask (order: ProofOrder, signal: AbortSignal): Promise<Extract<ProofAnswer, { kind: 'proof' }>> {
    using timeout = this.#clock.timeout(this.#timeout)
    const stop = anySignal([signal, timeout.signal])
    const child = this.#fork(this.#process, [], {
      // nothing of this process: neither its arguments, as the inspector's port, nor what its environment holds;
      // and it may read files, but write none and start nothing
      execArgv: [`--max-old-space-size=${MAX_HEAP}`, '--permission', '--allow-fs-read=*'],
      env: process.env.SystemRoot == null ? {} : { SystemRoot: process.env.SystemRoot },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc']
    })
    const ended = ending(child)
    // who ends this process at once, as a second Ctrl-C does, leaves none behind either
    const onExit = (): void => { child.kill('SIGKILL') }
    process.once('exit', onExit)

    try {
      const answer = await raceSignal(Promise.race([answerOf(child, order), ended.then(how => { throw new ProverError(`the prover's process ended without a proof: ${how}`) })]), stop)
      return readAnswer(answer)
    } catch (err) {
      signal.throwIfAborted()
      throw timeout.signal.aborted
        ? new ProverError(`no proof was made within ${this.#timeout} ms: the machine is too busy, or the prover hangs`, { cause: err })
        : err
    } finally {
      stop.clear()
      child.kill('SIGKILL')
      process.off('exit', onExit)
      using last = this.#clock.timeout(EXIT_TIMEOUT)
      await raceSignal(ended, last.signal).catch(() => { child.unref() })
      child.removeAllListeners()
      // whatever comes late is nobody's: without a listener it would be thrown
      child.on('error', () => { child.unref() })
    }
  }
}

/** Resolves with how it ended; never rejects */
async function ending (child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('exit', (code, signal) => { resolve(signal ?? `exit code ${code}`) })
    // where it was not even started there is no exit
    child.once('error', err => { resolve(err.message) })
  })
}

async function answerOf (child: ChildProcess, order: ProofOrder): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.send(order, err => {
      if (err != null) {
        reject(new ProverError(`the prover's process could not be told what to prove: ${err.message}`, { cause: err }))
      }
    })
  })
}

function areNumbers (value: unknown, length: number): value is readonly string[] {
  return Array.isArray(value) && value.length === length && value.every(number => typeof number === 'string' && number.length <= MAX_DIGITS)
}

function readAnswer (value: unknown): Extract<ProofAnswer, { kind: 'proof' }> {
  const answer = (typeof value === 'object' ? value : undefined) as { kind?: unknown, message?: unknown, points?: unknown, signals?: unknown } | undefined

  switch (answer?.kind) {
    case 'proof':
      if (areNumbers(answer.points, PROOF_NUMBERS) && areNumbers(answer.signals, PUBLIC_SIGNALS)) {
        return { kind: 'proof', points: answer.points, signals: answer.signals }
      }
      break
    case 'artifact':
      throw new ArtifactError(quote(answer.message, 400))
    case 'missing':
      throw new MissingDependencyError(`the package snarkjs cannot be loaded: ${quote(answer.message, 400)}; install it beside portolan with "npm install snarkjs"`)
    case 'failed':
      throw new ProverError(`no proof could be made: ${quote(answer.message, 400)}`)
  }
  throw new ProverError('the prover\'s process answered with something else than a proof')
}
