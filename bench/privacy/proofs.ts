import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import {
  createMembership, createNonce, formatMembershipGroup, memberIdentity, MembershipGroup, MembershipProver, MembershipVerifier, NullifierBook, randomSeed
} from '../../src/index.privacy.ts'
import { DEPTHS } from '../../src/privacy/proofs/statement.ts'
import type { ClaimInit, Depth } from '../../src/index.privacy.ts'

const HOUR = 3_600_000
const REPORT = 'ab'.repeat(32)
/** What a proof costs does not depend on it: the circuit is of its depth, however many there are */
const MEMBERS = 5

export interface ProofTimes {
  /** Seconds for a proof: its process is started, makes it and ends, and what it made is verified. Each is a cold start. */
  readonly prove: number
  /** The first, with all that is loaded for it */
  readonly proveCold: number
  /** Seconds for a verification, with a record of nullifiers in memory */
  readonly verify: number
  /** In a process that has verified none before, with what is loaded for it */
  readonly verifyCold: number
}

/** Run in a process of its own by `verifyCold` */
const COLD = `
  const { MembershipGroup, MembershipVerifier } = await import(process.argv[1])
  const { text, proof, nonce } = JSON.parse(process.argv[2])
  const group = await MembershipGroup.parse(text)
  const verifier = new MembershipVerifier({ group })
  const started = performance.now()
  await verifier.verify(proof, { report: '${REPORT}', nonce })
  console.log(performance.now() - started)`

/** What a proof costs with the circuit that costs more, of each time by itself; both are printed */
export async function proofTimes (rounds: number = 5, log: (line: string) => void = console.log): Promise<ProofTimes> {
  const each: ProofTimes[] = []

  for (const depth of DEPTHS) {
    const times = await timesOf(depth, rounds)
    const { prove, proveCold, verify, verifyCold } = times
    log(`proof, depth ${depth}: ${prove.toFixed(2)} s to make one, ${verify.toFixed(3)} s to verify it (the first ${proveCold.toFixed(2)} s and ${verifyCold.toFixed(3)} s)`)
    each.push(times)
  }
  const worst = (name: keyof ProofTimes): number => Math.max(...each.map(times => times[name]))
  return { prove: worst('prove'), proveCold: worst('proveCold'), verify: worst('verify'), verifyCold: worst('verifyCold') }
}

/** Medians over so many proofs, each by a member of its own kind: real circuit, real artifacts */
async function timesOf (depth: Depth, rounds: number): Promise<ProofTimes> {
  const now = Date.now()
  const validity = { validFrom: now - HOUR, validUntil: now + HOUR }
  const identities = await Promise.all(Array.from({ length: MEMBERS }, async () => memberIdentity(randomSeed())))
  const members = await Promise.all(identities.map(async identity => createMembership({ group: 'bench', identity, privateKey: await generateKeyPair('Ed25519'), ...validity })))
  const text = await formatMembershipGroup({ name: 'bench', depth, members, ...validity })
  const group = await MembershipGroup.parse(text)
  const nonce = createNonce()
  const proving: number[] = []
  const verifying: number[] = []

  const opened = performance.now()
  const prover = await MembershipProver.open({}, { depth })

  try {
    let begun = opened
    let coldProof: unknown

    for (let round = 0; round < rounds; round++) {
      const claim: ClaimInit = { identity: identities[round % MEMBERS] as ClaimInit['identity'], group, report: REPORT, nonce }
      const { proof } = await prover.prove(claim)
      proving.push(seconds(begun))
      coldProof ??= proof

      const verifier = new MembershipVerifier({ group, nullifiers: await NullifierBook.open() })
      const started = performance.now()
      await verifier.verify(JSON.stringify(proof), { report: REPORT, nonce })
      verifying.push(seconds(started))
      begun = performance.now()
    }

    const entry = new URL('../../src/index.privacy.ts', import.meta.url).href
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', COLD, entry, JSON.stringify({ text, proof: coldProof, nonce })])
    return { prove: median(proving), proveCold: proving[0] ?? NaN, verify: median(verifying), verifyCold: Number(stdout) / 1000 }
  } finally {
    await prover.close()
  }
}

function seconds (since: number): number {
  return (performance.now() - since) / 1000
}

function median (values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN
}
