/**
 * The process that makes one proof and is ended. All code under the GPL is loaded
 * here and nowhere else, and what it leaves behind ends with it.
 */
import process from 'node:process'
import { readArtifact } from './artifacts.ts'
import { ArtifactError } from './errors.ts'
import type { ProofAnswer, ProofOrder } from './prover-messages.ts'

/** Of a library's message: enough to know it by */
const MAX_MESSAGE = 300

async function prove ({ depth, artifacts, input }: ProofOrder): Promise<ProofAnswer> {
  // what is checked is what is used: the files may change in between
  const wasm = await readArtifact(depth, 'wasm', artifacts.wasm)
  const zkey = await readArtifact(depth, 'zkey', artifacts.zkey)
  let library
  try {
    library = await import('snarkjs')
  } catch (err) {
    return { kind: 'missing', message: (err as Error).message.slice(0, MAX_MESSAGE) }
  }

  // one thread: the circuit is small, and threads would have to be started and ended
  const { proof, publicSignals } = await library.groth16.fullProve(input, wasm, zkey, undefined, undefined, { singleThread: true })
  const { pi_a: [ax, ay], pi_b: [[bx0, bx1] = [], [by0, by1] = []], pi_c: [cx, cy] } = proof
  return { kind: 'proof', points: [ax, ay, bx1, bx0, by1, by0, cx, cy].map(String), signals: publicSignals }
}

/** And waits to be killed: the end of a process can be seen before what it said last */
function answer (message: ProofAnswer): void {
  process.send?.(message)
}

process.once('disconnect', () => { process.exit() })
process.once('message', (order: ProofOrder) => {
  prove(order).then(answer, (err: Error) => {
    answer({ kind: err instanceof ArtifactError ? 'artifact' : 'failed', message: String(err.message).slice(0, MAX_MESSAGE) })
  })
})
