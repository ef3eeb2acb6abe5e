import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readMembershipGroup } from '../../../src/privacy/proofs/membership-group-file.ts'
import { formatMembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'
import { MembershipProver } from '../../../src/privacy/proofs/membership-prover.ts'
import { MembershipVerifier } from '../../../src/privacy/proofs/membership-verifier.ts'
import { createNonce, reportDigest } from '../../../src/privacy/proofs/report-digest.ts'
import { MAX_DOCUMENT_BYTES, verifyReportDocument } from '../../../src/privacy/proofs/report-document.ts'
import { jsonFormat } from '../../../src/privacy/report/json-format.ts'
import { redactReport } from '../../../src/privacy/report/redact-report.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { sample } from '../report/sample.ts'
import { DAY, makeGroup, makeMembers, PATIENT, START } from './support/members.ts'
import type { Member } from './support/members.ts'
import type { MembershipClaim } from '../../../src/interface/privacy.ts'
import type { MembershipGroup } from '../../../src/privacy/proofs/membership-group.ts'

const nonce = createNonce()
const clock = new VirtualClock()
const report = redactReport(sample())

let members: Member[]
let group: MembershipGroup
let claim: MembershipClaim
/** The report with its proof, as it is handed on */
let document: string

beforeAll(async () => {
  members = await makeMembers(5)
  group = await makeGroup(members)
  const prover = await MembershipProver.open({ clock }, { depth: 10, timeout: PATIENT })
  claim = await prover.prove({ identity: (members[3] as Member).identity, group, report: reportDigest(report), nonce })
  document = jsonFormat.render(report, { proof: claim })
  await prover.close()
}, PATIENT)

async function reasonOf (text: string | Uint8Array, forNonce = nonce): Promise<string> {
  const err = await verifyReportDocument(text, forNonce, new MembershipVerifier({ group, clock })).then(() => undefined, (err: Error & { reason: string }) => err)
  expect(err).toMatchObject({ name: 'ProofRefusedError' })
  return err?.reason ?? ''
}

describe('a report with a proof', () => {
  it('is accepted by its reader, once', async () => {
    const verifier = new MembershipVerifier({ group, clock })
    expect(await verifyReportDocument(document, nonce, verifier)).toEqual(claim)
    await expect(verifyReportDocument(document, nonce, verifier)).rejects.toMatchObject({ reason: 'replayed' })
    expect((await verifyReportDocument(new TextEncoder().encode(document), nonce, new MembershipVerifier({ group, clock }))).members).toBe(5)
  })

  it('names neither the peers of the report nor the member', () => {
    for (const { identity, membership } of members) {
      expect(document).not.toContain(membership.peer)
      expect(document).not.toContain(String(identity.commitment))
    }
  })

  it('is refused when anything in it was changed, but for its title', async () => {
    const value = JSON.parse(document) as Record<string, unknown>
    for (const key of Object.keys(sample())) {
      expect(await reasonOf(JSON.stringify({ ...value, [key]: 'another' })), key).toBe('message')
    }
    expect(await reasonOf(JSON.stringify({ ...value, overallRiskScore: 0.1 }))).toBe('message')
    expect(await reasonOf(document, createNonce())).toBe('message')
    expect((await verifyReportDocument(JSON.stringify({ ...value, title: 'mine' }), nonce, new MembershipVerifier({ group, clock }))).result).toBe('verified')
  })

  it('that is none, has no proof, or is too large, is refused', async () => {
    expect(await reasonOf('{')).toBe('malformed')
    expect(await reasonOf('[]')).toBe('malformed')
    expect(await reasonOf('null')).toBe('malformed')
    expect(await reasonOf(Uint8Array.of(0xff))).toBe('malformed')
    expect(await reasonOf(jsonFormat.render(report, {}))).toBe('malformed')
    expect(await reasonOf(jsonFormat.render(report, { proof: { result: 'not-made', reason: 'there is no group' } }))).toBe('malformed')
    expect(await reasonOf(' '.repeat(MAX_DOCUMENT_BYTES + 1))).toBe('too-large')
    expect(await reasonOf(`{"proof":{"proof":{}},"risks":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toBe('malformed')
    expect(await reasonOf(JSON.stringify({ ...JSON.parse(document) as object, proof: { ...claim, proof: '1'.repeat(5000) } }))).toBe('too-large')
  })
})

describe('the hash of a report', () => {
  it('is the same in whatever order its keys are, and of the document that it is read from', () => {
    expect(reportDigest(JSON.parse(document) as typeof report)).toBe(reportDigest(report))
    fc.assert(fc.property(fc.shuffledSubarray(Object.entries(report), { minLength: Object.keys(report).length }), entries => {
      expect(reportDigest(Object.fromEntries(entries) as unknown as typeof report)).toBe(reportDigest(report))
    }))
  })

  it('is another for another report', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }).filter(score => score !== report.overallRiskScore), overallRiskScore => {
      expect(reportDigest({ ...report, overallRiskScore })).not.toBe(reportDigest(report))
    }))
    expect(reportDigest(sample())).not.toBe(reportDigest(report))
  })
})

it('no nonce is like another', () => {
  expect(new Set(Array.from({ length: 100 }, createNonce)).size).toBe(100)
})

describe('the file of a group', () => {
  let directory: string

  beforeAll(async () => { directory = await mkdtemp(join(tmpdir(), 'portolan-group-')) })
  afterAll(async () => { await rm(directory, { recursive: true }) })

  it('is read, and what is wrong with it is said with its path', async () => {
    const path = join(directory, 'group.json')
    await writeFile(path, await formatMembershipGroup({ name: 'fleet', validFrom: START, validUntil: START + DAY, members: members.map(({ membership }) => membership) }))
    expect((await readMembershipGroup(path)).root).toBe(group.root)

    await writeFile(path, '{}')
    await expect(readMembershipGroup(path)).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(new RegExp(`^"${path}": the file of a group has "format"`)) })
    await writeFile(path, ' '.repeat(5_000_000))
    await expect(readMembershipGroup(path)).rejects.toMatchObject({ message: expect.stringMatching(/has 5000000 bytes, and at most 4194304 are read/) })
    await expect(readMembershipGroup(directory)).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(/it is (not a file|a directory)/) })
    await expect(readMembershipGroup(join(directory, 'none'))).rejects.toMatchObject({ name: 'MembershipGroupError', message: expect.stringMatching(/cannot be read: there is no such file$/) })
    await expect(readMembershipGroup('/dev/zero')).rejects.toMatchObject({ message: expect.stringMatching(/not a file/) })
    await expect(readMembershipGroup(path, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

it('who loads portolan/privacy loads neither the prover\'s packages nor a pairing', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load (url, context, next) { loaded.push(url); return next(url, context) } })
    const { MembershipProver } = await import(${JSON.stringify(new URL('../../../src/index.privacy.ts', import.meta.url).href)})
    console.log(JSON.stringify({ prover: typeof MembershipProver, files: loaded.length, heavy: loaded.filter(url => /snarkjs|semaphore|bn254|curves.misc/.test(url)) }))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  const { prover, files, heavy } = JSON.parse(stdout) as { prover: string, files: number, heavy: string[] }

  expect(prover).toBe('function')
  expect(files).toBeGreaterThan(20)
  expect(heavy).toEqual([])
})
