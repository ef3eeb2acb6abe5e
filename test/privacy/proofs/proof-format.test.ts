import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCALARS } from '../../../src/privacy/proofs/field.ts'
import { formatProof, MAX_PROOF_BYTES, parseProof } from '../../../src/privacy/proofs/proof-format.ts'
import type { MembershipProof } from '../../../src/interface/privacy.ts'

const { proofs: [made] } = JSON.parse(await readFile(new URL('fixtures/semaphore-4.14.2.json', import.meta.url), 'utf8')) as { proofs: [MembershipProof] }
const proof: MembershipProof = { ...made, version: 1, statement: 'semaphore-v4', group: 'fleet', epoch: 20_000 }

const TEN_MEGABYTES = 10_000_000

function refusal (input: unknown): { reason: string, message: string } {
  try {
    parseProof(input)
  } catch (err) {
    expect(err).toMatchObject({ name: 'ProofRefusedError' })
    return err as { reason: string, message: string }
  }
  throw new Error('it was not refused')
}

describe('a proof', () => {
  it('is read as it was written, as text, as bytes and as JSON', () => {
    const text = JSON.stringify(proof)
    expect(formatProof(parseProof(proof))).toEqual(proof)
    expect(parseProof(text)).toEqual(parseProof(proof))
    expect(parseProof(new TextEncoder().encode(text))).toEqual(parseProof(proof))
    expect(text.length).toBeLessThan(MAX_PROOF_BYTES / 2)
  })

  it('of 10 MB is refused, whatever it is', () => {
    const long = '1'.repeat(TEN_MEGABYTES)

    expect(refusal(long)).toMatchObject({ reason: 'too-large', message: 'a proof has at most 4096 bytes, this one 10000000' })
    expect(refusal(new Uint8Array(TEN_MEGABYTES)).reason).toBe('too-large')
    expect(refusal(JSON.stringify({ ...proof, nullifier: long })).reason).toBe('too-large')
    expect(refusal(`${JSON.stringify(proof)}${' '.repeat(TEN_MEGABYTES)}`).reason).toBe('too-large')

    // read by somebody else already: no number of that length is made of it, and none of it is in the message
    for (const key of Object.keys(proof)) {
      const { message, reason } = refusal({ ...proof, [key]: long })
      expect(['malformed', 'depth']).toContain(reason)
      expect(message.length).toBeLessThan(300)
    }
    expect(refusal({ ...proof, [long]: 1 }).message.length).toBeLessThan(300)
    expect(refusal({ ...proof, points: Array.from({ length: 1_000_000 }, () => '1') }).reason).toBe('malformed')
    expect(refusal({ ...proof, points: [long, '1', '1', '1', '1', '1', '1', '1'] }).reason).toBe('malformed')
    expect(refusal('['.repeat(4000)).reason).toBe('malformed')
  })

  it.each([9, 11, 0, 32, -10, 1e9, '10', null, [10], 10.5])('of depth %s is refused', merkleTreeDepth => {
    expect(refusal({ ...proof, merkleTreeDepth }).reason).toBe('depth')
  })

  it.each(['merkleTreeRoot', 'nullifier'])('whose %s is not below the order of the field is refused: it would be the same number again', key => {
    const value = BigInt(proof[key as 'nullifier'])
    expect(refusal({ ...proof, [key]: String(value + SCALARS) }).message).toMatch(`its ${key} is not a decimal number of the field`)
    expect(refusal({ ...proof, [key]: `0${value}` }).reason).toBe('malformed')
    expect(refusal({ ...proof, [key]: `0x${value.toString(16)}` }).reason).toBe('malformed')
  })

  it('without a part, or with one too many, is refused', () => {
    for (const key of Object.keys(proof)) {
      const { [key as keyof typeof proof]: _, ...rest } = proof
      expect(['malformed', 'depth']).toContain(refusal(rest).reason)
    }
    expect(refusal({ ...proof, siblings: [] }).message).toMatch(/"siblings"/)
    expect(refusal({ ...proof, points: proof.points.slice(1) }).reason).toBe('malformed')
    expect(refusal({ ...proof, points: [...proof.points.slice(1), [proof.points[0]]] }).reason).toBe('malformed')
    expect(refusal({ ...proof, group: '\u001b[2J' }).message).not.toContain('\u001b')
    expect(refusal({ ...proof, epoch: -1 }).reason).toBe('malformed')
    expect(refusal({ ...proof, statement: 'groth16' }).reason).toBe('malformed')
  })

  it('of anything else is refused by name', () => {
    fc.assert(fc.property(fc.oneof(fc.anything(), fc.json(), fc.uint8Array()), input => {
      expect(['malformed', 'depth', 'too-large']).toContain(refusal(input).reason)
    }))
    fc.assert(fc.property(fc.constantFrom(...Object.keys(proof)), fc.anything(), (key, value) => {
      fc.pre(value !== proof[key as keyof typeof proof])
      try {
        parseProof({ ...proof, [key]: value })
      } catch (err) {
        expect(err).toMatchObject({ name: 'ProofRefusedError' })
      }
    }))
  })
})
