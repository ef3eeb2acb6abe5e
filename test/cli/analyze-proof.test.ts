import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openProver } from '../../src/cli/analyze-proof.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { PrivacyAnalyzer } from '../../src/privacy/analysis/analyzer.ts'
import { memberIdentity, randomSeed } from '../../src/privacy/proofs/member-identity.ts'
import { MembershipGroup, formatMembershipGroup } from '../../src/privacy/proofs/membership-group.ts'
import { MembershipVerifier } from '../../src/privacy/proofs/membership-verifier.ts'
import { createMembership } from '../../src/privacy/proofs/membership.ts'
import { createNonce } from '../../src/privacy/proofs/report-digest.ts'
import { verifyReportDocument } from '../../src/privacy/proofs/report-document.ts'
import { SyntheticTraffic } from '../../src/testing/index.ts'
import { Scope, run } from './fixture.ts'
import type { ReadConfig } from '../../src/config/file.ts'
import type { MembershipGroupInit } from '../../src/privacy/proofs/membership-group.ts'
import type { Membership } from '../../src/privacy/proofs/membership.ts'
import type { Finished } from './fixture.ts'

const DAY = 86_400_000
const PATIENCE = 120_000
const scope = new Scope()
let store: string
let group: string
let entries: Membership[]

async function analyze (...args: string[]): Promise<Finished> {
  return await run(['analyze', '--store', store, ...args])
}

async function joined (name: string): Promise<Finished> {
  return await run(['proof', 'join', name, '--store', store])
}

async function stranger (): Promise<Membership> {
  const validity = { validFrom: Date.now() - DAY, validUntil: Date.now() + 30 * DAY }
  return await createMembership({ group: 'fleet', identity: await memberIdentity(randomSeed()), privateKey: await generateKeyPair('Ed25519'), ...validity })
}

async function groupFile (init: Partial<MembershipGroupInit> = {}): Promise<string> {
  const path = join(scope.directory(), 'group.json')
  writeFileSync(path, await formatMembershipGroup({ name: 'fleet', members: entries, validFrom: Date.now() - 3_600_000, validUntil: Date.now() + DAY, ...init }))
  return path
}

beforeAll(async () => {
  store = join(scope.directory(), 'store')
  const { code, stdout, stderr } = await joined('fleet')
  expect([code, stderr]).toEqual([0, expect.stringContaining('entry of this node for the group fleet')])
  entries = [await stranger(), JSON.parse(stdout) as Membership, await stranger(), await stranger(), await stranger()]
  group = await groupFile({ validFrom: Math.floor(Date.now() / DAY) * DAY })
}, PATIENCE)
afterAll(async () => { await scope.close() })

describe('portolan analyze --zk', () => {
  it('portolan proof join makes one secret, and the same entry from it again', async () => {
    expect(readdirSync(store).sort()).toEqual(['identity.key', 'membership.seed'])
    expect(statSync(join(store, 'membership.seed')).mode & 0o777).toBe(0o600)
    const { stdout } = await joined('other')
    expect(JSON.parse(stdout)).toMatchObject({ peer: entries[1]?.peer, commitment: entries[1]?.commitment })
    expect(stdout).not.toContain(readFileSync(join(store, 'membership.seed'), 'utf8').trim())
  }, PATIENCE)

  it('a reader who gave a nonce out verifies what was handed on, once', async () => {
    const nonce = createNonce()
    const path = join(scope.directory(), 'report.json')
    const { code, stderr } = await analyze('--simulate', '--zk', '--zk-group', group, '--zk-nonce', nonce, '--format', 'json', '--output', path)
    expect([code, stderr]).toEqual([0, `simulated traffic: this says nothing about a real node\nwritten to ${path}\n`])

    const text = readFileSync(path, 'utf8')
    const verifier = new MembershipVerifier({ group: await MembershipGroup.parse(readFileSync(group)) })
    await expect(verifyReportDocument(text.replace(/"overallRiskScore": [\d.]+/, '"overallRiskScore": 0'), nonce, verifier)).rejects.toMatchObject({ reason: 'message' })
    await expect(verifyReportDocument(text, createNonce(), verifier)).rejects.toMatchObject({ reason: 'message' })
    expect(await verifyReportDocument(text, nonce, verifier)).toMatchObject({ result: 'verified', group: 'fleet', members: 5 })
    await expect(verifyReportDocument(text, nonce, verifier)).rejects.toMatchObject({ reason: 'replayed' })
    expect(text).not.toContain(entries[1]?.commitment)
    expect(text).not.toContain(entries[1]?.peer)
  }, PATIENCE)

  it('says what is proven and what is not, and that its nonce is of its own making', async () => {
    const { code, stdout, stderr } = await analyze('--simulate', '--zk', '--zk-group', group)
    expect(code).toBe(0)
    expect(stdout).toContain('membership proof: verified: one of the 5 members of the group fleet')
    expect(stdout).toMatch(/^ +proven +\S/m)
    expect(stdout).toMatch(/^ +not proven +\S/m)
    expect(stderr).toContain('for --zk-nonce')
  }, PATIENCE)

  it('is refused before anything is watched where there can be no proof', async () => {
    const others = await Promise.all(Array.from({ length: 5 }, stranger))
    const small = join(scope.directory(), 'small.json')
    writeFileSync(small, JSON.stringify({ ...JSON.parse(readFileSync(group, 'utf8')) as object, members: entries.slice(0, 4) }))
    const forged = join(scope.directory(), 'forged.json')
    writeFileSync(forged, readFileSync(group, 'utf8').replace(entries[0]?.commitment ?? '', '12345'))
    const cases: ReadonlyArray<readonly [number, RegExp, readonly string[]]> = [
      [2, /--zk-group FILE says which/, ['--zk']],
      [2, /--zk-group is for a proof: add --zk/, ['--zk-group', group]],
      [2, /--zk-artifacts is for a proof: add --zk/, ['--zk-artifacts', store]],
      [1, /the artifact \S+semaphore-10\.json cannot be read: there is no such file/, ['--zk', '--zk-group', group, '--zk-artifacts', store]],
      [2, /a nonce is 16 to 128/, ['--zk', '--zk-group', group, '--zk-nonce', 'short']],
      [2, /leave out --node/, ['--zk', '--zk-group', group, '--node']],
      [2, /there is no membership in/, ['--zk', '--zk-group', group, '--store', scope.directory()]],
      [1, /^portolan: the file of the group "[^"]+missing\.json" cannot be read: there is no such file\n$/, ['--zk', '--zk-group', join(store, 'missing.json')]],
      [1, /4 members: below 5/, ['--zk', '--zk-group', small]],
      [1, /is not signed by/, ['--zk', '--zk-group', forged]],
      [1, /is none of the 5 members/, ['--zk', '--zk-group', await groupFile({ members: others })]],
      [1, /is not valid now/, ['--zk', '--zk-group', await groupFile({ validFrom: Date.now() + 3_600_000 })]]
    ]
    for (const [expected, message, args] of cases) {
      const { code, stdout, stderr } = await run(['analyze', ...args, ...args.includes('--store') ? [] : ['--store', store]])
      expect([args, code, stdout]).toEqual([args, expected, ''])
      expect(stderr).toMatch(message)
      expect(stderr).not.toContain('listening')
    }
  }, PATIENCE)
})

describe('a proof under way', () => {
  /** Processes of this one, by what they run */
  const childrenOf = (pid: number): string[] => readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => {
    try {
      const [, parent] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8')) ?? []
      return Number(parent) === pid ? [name] : []
    } catch {
      // ended meanwhile
      return []
    }
  })
  const runs = (pid: string): boolean => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  }

  it.skipIf(process.platform !== 'linux').each([
    ['Ctrl-C, which goes to all processes of a terminal', 'SIGINT', true],
    ['SIGTERM', 'SIGTERM', false],
    ['SIGKILL', 'SIGKILL', false]
  ] as const)('leaves no process behind at %s', async (_, signal, everybody) => {
    const main = new URL('../../src/cli/main.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [main, 'analyze', '--simulate', '--zk', '--zk-group', group, '--store', store], { detached: true, stdio: 'ignore' })
    const ended = once(child, 'exit')
    const pid = child.pid ?? 0
    let provers: string[] = []
    await expect.poll(() => { provers = childrenOf(pid); return provers.length }, { timeout: PATIENCE, interval: 5 }).toBe(1)

    process.kill(everybody ? -pid : pid, signal)
    if (signal !== 'SIGKILL') {
      // whoever presses it twice means it
      process.kill(everybody ? -pid : pid, signal)
    }
    await ended
    await expect.poll(() => provers.filter(runs), { timeout: PATIENCE, interval: 20 }).toEqual([])
  }, PATIENCE)

  it('that comes to nothing since its files are others by then costs the proof, and not the report', async () => {
    const artifacts = scope.directory()
    const installed = dirname(createRequire(import.meta.url).resolve('@zk-kit/semaphore-artifacts/package.json'))
    for (const kind of ['wasm', 'zkey', 'json']) {
      copyFileSync(join(installed, `semaphore-10.${kind}`), join(artifacts, `semaphore-10.${kind}`))
    }
    const { code } = await analyze('--simulate', '--zk', '--zk-group', group, '--zk-artifacts', artifacts)
    expect(code).toBe(0)

    const prover = await openProver({ config: { store } as ReadConfig, clock: systemClock, signal: new AbortController().signal }, { group, nonce: createNonce(), given: true, artifacts })
    writeFileSync(join(artifacts, 'semaphore-10.zkey'), 'another one')
    const report = new PrivacyAnalyzer(new SyntheticTraffic({ flows: [{ kind: 'independent', events: 20 }] })).analyze().toJSON()
    expect(await prover.prove(report, { raw: false })).toEqual({ result: 'not-made', reason: expect.stringMatching(/semaphore-10\.zkey is not the one of the ceremony/) as string })
    await prover.close()
  }, PATIENCE)
})
