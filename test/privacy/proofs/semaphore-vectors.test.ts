import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { poseidon2 } from '../../../src/privacy/proofs/field.ts'
import { toPoints, verifyGroth16 } from '../../../src/privacy/proofs/groth16.ts'
import { LeanTree } from '../../../src/privacy/proofs/lean-tree.ts'
import { memberIdentity } from '../../../src/privacy/proofs/member-identity.ts'
import { DEPTHS, publicSignals } from '../../../src/privacy/proofs/statement.ts'
import { CEREMONY, VERIFICATION_KEYS } from '../../../src/privacy/proofs/verification-keys.ts'
import type { PointTwo } from '../../../src/privacy/proofs/verification-keys.ts'
import type { Depth } from '../../../src/privacy/proofs/statement.ts'

interface Vectors {
  identities: Array<{ seed: string, secret: string, commitment: string }>
  groups: Array<{ members: number, root: string, leaf: number, index: number, siblings: string[] }>
  proofs: Array<{ merkleTreeDepth: Depth, merkleTreeRoot: string, nullifier: string, message: string, scope: string, points: string[] }>
}

/** Made by the packages @semaphore-protocol/{identity,group,proof} 4.14.2 themselves */
const vectors = JSON.parse(await readFile(new URL('fixtures/semaphore-4.14.2.json', import.meta.url), 'utf8')) as Vectors

const packages = createRequire(import.meta.url)

/** Whether a path leads to the root: what the circuit computes */
function rootOf (leaf: bigint, { index, siblings }: { index: number, siblings: readonly bigint[] }): bigint {
  return siblings.reduce((node, sibling, i) => (index >> i) % 2 === 1 ? poseidon2(sibling, node) : poseidon2(node, sibling), leaf)
}

describe('as Semaphore has it', () => {
  it.each(vectors.identities)('the identity of seed $seed', async ({ seed, secret, commitment }) => {
    expect(await memberIdentity(Uint8Array.from(Buffer.from(seed, 'hex')))).toEqual({ secret: BigInt(secret), commitment: BigInt(commitment) })
  })

  it.each(vectors.groups)('the tree of $members members', async ({ members, root, leaf, index, siblings }) => {
    const leaves = Array.from({ length: members }, (_, i) => BigInt(i * i + 1))
    const tree = await LeanTree.of(leaves)
    const grown = await LeanTree.of([])
    leaves.forEach(leaf => { grown.push(leaf) })

    for (const one of [tree, grown]) {
      expect(one.size).toBe(members)
      expect(one.root).toBe(BigInt(root))
      expect(one.path(leaf)).toEqual({ index, siblings: siblings.map(BigInt) })
    }
  })

  it.each(vectors.proofs)('a proof of depth $merkleTreeDepth', ({ merkleTreeDepth, merkleTreeRoot, nullifier, message, scope, points }) => {
    const signals = publicSignals(BigInt(merkleTreeRoot), BigInt(nullifier), BigInt(message), BigInt(scope))
    const proof = toPoints(points.map(BigInt))

    expect(verifyGroth16(merkleTreeDepth, signals, proof)).toBe(true)
    expect(verifyGroth16(merkleTreeDepth === 10 ? 16 : 10, signals, proof)).toBe(false)
    expect(verifyGroth16(merkleTreeDepth, signals.slice(1), proof)).toBe(false)
    expect(verifyGroth16(merkleTreeDepth, signals.toReversed(), proof)).toBe(false)
  })

  it.each(DEPTHS)('the verification key of depth %d is that of the ceremony', async depth => {
    const file = JSON.parse(await readFile(packages.resolve(`@zk-kit/semaphore-artifacts/semaphore-${depth}.json`), 'utf8')) as Record<string, unknown>
    const one = ([x, y]: string[]): object => ({ x: BigInt(x ?? ''), y: BigInt(y ?? '') })
    const two = ([x, y]: string[][]): PointTwo => ({ x: { c0: BigInt(x?.[0] ?? ''), c1: BigInt(x?.[1] ?? '') }, y: { c0: BigInt(y?.[0] ?? ''), c1: BigInt(y?.[1] ?? '') } })

    expect(CEREMONY).toEqual({ alpha: one(file.vk_alpha_1 as string[]), beta: two(file.vk_beta_2 as string[][]), gamma: two(file.vk_gamma_2 as string[][]) })
    expect(VERIFICATION_KEYS[depth]).toEqual({ delta: two(file.vk_delta_2 as string[][]), inputs: (file.IC as string[][]).map(one) })
  })
})

describe('a tree', () => {
  it('grown leaf by leaf is the one that was made at once, and each path leads to its root', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.bigInt({ min: 1n, max: 2n ** 250n }), { minLength: 1, maxLength: 20 }), fc.nat(19), async (leaves, cut) => {
      const whole = await LeanTree.of(leaves)
      const grown = await LeanTree.of(leaves.slice(0, cut))
      leaves.slice(cut).forEach(leaf => { grown.push(leaf) })

      expect(grown.root).toBe(whole.root)
      leaves.forEach((leaf, i) => {
        expect(grown.path(i)).toEqual(whole.path(i))
        expect(rootOf(leaf, whole.path(i))).toBe(whole.root)
      })
    }), { numRuns: 20 })
  })

  it('has no root while it is empty', async () => {
    expect((await LeanTree.of([])).root).toBeUndefined()
  })
})

describe('an identity', () => {
  it('is made of 32 bytes and nothing else', async () => {
    for (const seed of [new Uint8Array(31), new Uint8Array(33), 'x'.repeat(32), undefined]) {
      await expect(memberIdentity(seed as Uint8Array)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(/32 bytes/) })
    }
  })
})
