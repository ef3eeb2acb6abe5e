/** Answers with what the order's directory is named after */
import { basename, dirname } from 'node:path'
import process from 'node:process'
import type { ProofOrder } from '../../../../src/privacy/proofs/prover-messages.ts'

const points = ['1', '2', '3', '4', '5', '6', '7', '8']

const ANSWERS: Readonly<Record<string, (order: ProofOrder) => unknown>> = {
  nothing: () => null,
  text: () => 'proof',
  empty: () => ({ kind: 'proof' }),
  other: () => ({ kind: 'proof', points, signals: ['1', '2', '3', '4'] }),
  failed: () => ({ kind: 'failed', message: '\u001b[2J'.repeat(100_000) }),
  missing: () => ({ kind: 'missing', message: 'no such package' }),
  artifact: () => ({ kind: 'artifact', message: 'another file' })
}

process.once('message', (order: ProofOrder) => {
  process.send?.(ANSWERS[basename(dirname(order.artifacts.wasm))]?.(order))
})
