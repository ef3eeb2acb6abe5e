import { fork } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { ARTIFACT_HASHES } from '../../../src/privacy/proofs/artifacts.ts'
import { MembershipProver } from '../../../src/privacy/proofs/membership-prover.ts'
import { MembershipVerifier } from '../../../src/privacy/proofs/membership-verifier.ts'
import { DEPTHS } from '../../../src/privacy/proofs/statement.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { DAY, identityOf, makeGroup, makeMembers, NONCE, PATIENT, REPORT, START } from './support/members.ts'
import type { ChildProcess } from 'node:child_process'
import type { Member } from './support/members.ts'
import type { MembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'
import type { ClaimInit, MembershipProverComponents, MembershipProverInit } from '../../../src/privacy/proofs/membership-prover.ts'
import type { Depth } from '../../../src/privacy/proofs/statement.ts'

const installed = createRequire(import.meta.url)
const PACKAGE = dirname(installed.resolve('@zk-kit/semaphore-artifacts/package.json'))
const about = { report: REPORT, nonce: NONCE }

/** A process takes its own time to end, which no virtual clock knows of */
class RealTimers extends VirtualClock {
  override readonly timeout = systemClock.timeout
}

/** All processes that were started in a test, so that none is left by accident */
let children: ChildProcess[] = []
let directory: string
let members: Member[]
let group: MembershipGroup

const forkWatched = ((...args: Parameters<typeof fork>) => {
  const child = fork(...args)
  children.push(child)
  return child
}) as typeof fork

beforeAll(async () => {
  members = await makeMembers(5)
  group = await makeGroup(members)
  directory = await mkdtemp(join(tmpdir(), 'portolan-prover-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

async function open (init: Partial<MembershipProverInit> = {}, components: MembershipProverComponents = {}): Promise<MembershipProver> {
  children = []
  return MembershipProver.open({ clock: new VirtualClock(), fork: forkWatched, ...components }, { depth: 10, timeout: PATIENT, ...init })
}

function claimOf (n = 0): ClaimInit {
  return { ...about, identity: (members[n] as Member).identity, group }
}

/** The three files of a depth, in a directory of their own */
async function copyArtifacts (name: string, depth: Depth = 10): Promise<string> {
  const to = join(directory, name)
  await mkdir(to)
  for (const kind of ['wasm', 'zkey', 'json']) {
    await cp(join(PACKAGE, `semaphore-${depth}.${kind}`), join(to, `semaphore-${depth}.${kind}`))
  }
  return to
}

function expectNothingLeft (started: number): void {
  expect(children).toHaveLength(started)
  for (const { pid, exitCode, signalCode } of children) {
    expect(exitCode ?? signalCode).not.toBeNull()
    expect(() => process.kill(pid ?? 0, 0)).toThrow(/ESRCH/)
  }
}

function fixture (name: string): URL {
  return new URL(`support/${name}.ts`, import.meta.url)
}

describe.each(DEPTHS)('with the circuit of depth %d', depth => {
  it('a proof is made in a process that is gone afterwards, and verifies', async () => {
    const clock = new VirtualClock()
    const deep = await makeGroup(members, { depth })
    const prover = await open({ depth }, { clock })
    const claim = await prover.prove({ ...claimOf(), group: deep })

    expect(claim).toMatchObject({ result: 'verified', members: 5, epoch: START / DAY, proof: { merkleTreeDepth: depth } })
    expect(await new MembershipVerifier({ group: deep, clock }).verify(claim.proof, about)).toEqual(claim)
    expectNothingLeft(1)
    expect(clock.pending).toBe(0)
    await prover.close()
  }, PATIENT)
})

describe('a prover', () => {
  it('makes one proof at a time, in the order in which they were asked for', async () => {
    const prover = await open()
    let most = 0
    const running = (): number => children.filter(({ exitCode, signalCode }) => exitCode == null && signalCode == null).length
    const watched = await open({}, {
      fork: ((...args: Parameters<typeof fork>) => {
        most = Math.max(most, running())
        return forkWatched(...args)
      }) as typeof fork
    })

    const claims = await Promise.all([0, 1, 2].map(async n => watched.prove(claimOf(n))))
    expect(new Set(claims.map(({ nullifier }) => nullifier)).size).toBe(3)
    expect(most).toBe(0)
    expectNothingLeft(3)
    await prover.close()
  }, PATIENT)

  it('gives its process neither the arguments nor the environment of this one', async () => {
    let options: Parameters<typeof fork>[2]
    const prover = await open({}, {
      fork: ((url: URL, args: string[], given: typeof options) => {
        options = given
        return forkWatched(url, args, given)
      }) as typeof fork
    })
    const claim = claimOf()

    await prover.prove(claim)
    expect(Object.keys(options?.env ?? { HOME: '' }).filter(name => name !== 'SystemRoot')).toEqual([])
    expect(options?.execArgv).toContain('--permission')
    expect(children[0]?.spawnargs.join(' ')).not.toContain(String(claim.identity.secret))
  }, PATIENT)

  it('starts nothing for who is no member, for a group of another depth, or one that is not valid', async () => {
    const prover = await open()

    await expect(prover.prove({ ...claimOf(), identity: await identityOf(99) })).rejects.toMatchObject({ name: 'NotAMemberError', message: expect.stringMatching(/none of the 5 members of the group "fleet": its commitment is \d+$/) })
    await expect(prover.prove({ ...claimOf(), group: await makeGroup(members, { depth: 16 }) })).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(/is of depth 16, and this prover of 10/) })
    await expect(prover.prove({ ...claimOf(), group: await makeGroup(members, { validFrom: START + 1 }) })).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(/is not valid now/) })
    await expect(prover.prove({ ...claimOf(), nonce: '' })).rejects.toMatchObject({ name: 'InvalidOptionError' })
    expectNothingLeft(0)
  })

  it.each([0, -1, Number.NaN, Infinity])('with a timeout of %s is refused', async timeout => {
    await expect(open({ timeout })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(/timeout/) })
  })
})

describe('artifacts', () => {
  it('are those of the ceremony, by the hashes that were published', async () => {
    expect(Object.keys(ARTIFACT_HASHES).map(Number)).toEqual([...DEPTHS])
    for (const depth of DEPTHS) {
      const prover = await open({ depth, artifacts: await copyArtifacts(`whole-${depth}`, depth) })
      expect(prover.depth).toBe(depth)
    }
  })

  it.each(['wasm', 'zkey', 'json'])('with a flipped byte in the %s are refused at the start', async kind => {
    const artifacts = await copyArtifacts(`flipped-${kind}`)
    const path = join(artifacts, `semaphore-10.${kind}`)
    const bytes = await readFile(path)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(path, bytes)

    await expect(open({ artifacts })).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringMatching(`semaphore-10.${kind} is not the one of the ceremony: its SHA-256 is`) })
  })

  it('that were changed after the start are refused when they are used', async () => {
    const artifacts = await copyArtifacts('changed')
    const prover = await open({ artifacts })
    const path = join(artifacts, 'semaphore-10.zkey')
    const bytes = await readFile(path)
    bytes[1000] = (bytes[1000] ?? 0) ^ 1
    await writeFile(path, bytes)

    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringMatching(/is not the one of the ceremony/) })
    expectNothingLeft(1)
  }, PATIENT)

  it('that are missing, a directory, or far too large are refused', async () => {
    const artifacts = join(directory, 'strange')
    await mkdir(artifacts)
    await expect(open({ artifacts })).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringMatching(/cannot be read: there is no such file/) })
    await mkdir(join(artifacts, 'semaphore-10.json'))
    await expect(open({ artifacts })).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringMatching(/cannot be read: it is not a file/) })
    await rm(join(artifacts, 'semaphore-10.json'), { recursive: true })
    await writeFile(join(artifacts, 'semaphore-10.json'), new Uint8Array(9_000_000))
    await expect(open({ artifacts })).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringMatching(/it has 9000000 bytes/) })
  })

  it.each(['snarkjs', '@zk-kit/semaphore-artifacts'])('without the package %s it is said what to install', async name => {
    const packages = {
      resolve: (specifier: string) => {
        if (specifier.startsWith(name)) {
          throw new Error(`Cannot find module '${specifier}'`)
        }
        return installed.resolve(specifier)
      }
    }
    await expect(open({}, { packages })).rejects.toMatchObject({ name: 'MissingDependencyError', message: expect.stringMatching(`the package ${name} that it needs cannot be found: install them beside portolan with "npm install snarkjs @zk-kit/semaphore-artifacts"`) })
  })
})

describe('a prover\'s process', () => {
  it('that hangs is killed after the timeout, and the next one has its turn', async () => {
    const prover = await open({ process: fixture('hanging-prover'), timeout: 300 }, { clock: new RealTimers() })

    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: expect.stringMatching(/no proof was made within 300 ms/) })
    expectNothingLeft(1)
    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError' })
    expectNothingLeft(2)
    expect(children.map(({ signalCode }) => signalCode)).toEqual(['SIGKILL', 'SIGKILL'])
  }, PATIENT)

  it('is killed when nobody waits for its proof any more', async () => {
    const leaving = new AbortController()
    const prover = await open({ process: fixture('hanging-prover') })
    const proving = prover.prove(claimOf(), { signal: leaving.signal })
    const next = prover.prove(claimOf(1), { signal: leaving.signal })
    leaving.abort(new Error('enough'))

    await expect(proving).rejects.toThrow('enough')
    await expect(next).rejects.toThrow('enough')
    await expect(prover.prove(claimOf(), { signal: leaving.signal })).rejects.toThrow('enough')
    await prover.close()
    expect(children.length).toBeLessThanOrEqual(1)
    expectNothingLeft(children.length)
  }, PATIENT)

  it('is killed by close(), after which there is no proof', async () => {
    const prover = await open({ process: fixture('hanging-prover') })
    const proving = prover.prove(claimOf())
    const refused = expect(proving).rejects.toMatchObject({ name: 'ProverError', message: 'the prover was closed' })
    await expect.poll(() => children.length, { timeout: PATIENT }).toBe(1)

    await prover.close()
    await refused
    expectNothingLeft(1)
    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: 'the prover was closed' })
    await prover.close()
  }, PATIENT)

  it('that was killed is an error that says so', async () => {
    const prover = await open({ process: fixture('killed-prover') })
    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: expect.stringMatching(/ended without a proof: SIGKILL/) })
    expectNothingLeft(1)
  }, PATIENT)

  it('that cannot be started, or ends at once, is an error', async () => {
    const absent = await open({ process: fixture('no-such-prover') })
    await expect(absent.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: expect.stringMatching(/ended without a proof: exit code 1|could not be told/) })
    expectNothingLeft(1)

    const impossible = await open({}, { fork: ((url: URL, args: string[], options: object) => forkWatched(url, args, { ...options, execPath: join(directory, 'no-node') })) as typeof fork })
    await expect(impossible.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: expect.stringMatching(/ENOENT|could not be told/) })
  }, PATIENT)

  it.each([
    ['nothing', 'ProverError', /something else than a proof/],
    ['text', 'ProverError', /something else than a proof/],
    ['empty', 'ProverError', /something else than a proof/],
    ['other', 'ProverError', /made a proof of something else/],
    ['failed', 'ProverError', /^no proof could be made: .{1,3000}$/],
    ['missing', 'MissingDependencyError', /npm install snarkjs/],
    ['artifact', 'ArtifactError', /another file/]
  ])('that answers with %s is a %s', async (name, error, message) => {
    const prover = await open({ process: fixture('strange-prover'), artifacts: await copyArtifacts(name) })
    const err = await prover.prove(claimOf()).then(() => undefined, (err: Error) => err)

    expect(err).toMatchObject({ name: error, message: expect.stringMatching(message) })
    expect(err?.message).not.toContain('\u001b')
    expectNothingLeft(1)
  }, PATIENT)

  it('is not waited for by more than a few', async () => {
    const leaving = new AbortController()
    const prover = await open({ process: fixture('hanging-prover') })
    const waiting = Array.from({ length: 8 }, async () => prover.prove(claimOf(), { signal: leaving.signal }))
    const settled = Promise.allSettled(waiting)

    await expect(prover.prove(claimOf())).rejects.toMatchObject({ name: 'ProverError', message: expect.stringMatching(/8 proofs are being waited for/) })
    leaving.abort(new Error('enough'))
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true)
    await prover.close()
    expectNothingLeft(children.length)
  }, PATIENT)
})
