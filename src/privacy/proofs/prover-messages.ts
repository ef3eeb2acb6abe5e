import type { Artifacts } from './artifacts.ts'
import type { Depth } from './statement.ts'

/** What the prover's process is told: once, over its own channel, since it has the secret in it */
export interface ProofOrder {
  readonly depth: Depth
  readonly artifacts: Artifacts
  /** Decimal numbers */
  readonly input: {
    readonly secret: string
    readonly merkleProofLength: number
    readonly merkleProofIndex: number
    readonly merkleProofSiblings: readonly string[]
    readonly scope: string
    readonly message: string
  }
}

/** What it answers, once */
export type ProofAnswer =
  | { readonly kind: 'proof', readonly points: readonly string[], readonly signals: readonly string[] }
  | { readonly kind: 'artifact' | 'missing' | 'failed', readonly message: string }
