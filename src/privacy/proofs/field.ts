import { Field } from '@noble/curves/abstract/modular.js'
import { grainGenConstants, poseidon } from '@noble/curves/abstract/poseidon.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'

/** Order of the groups of bn254, in whose field the circuit computes */
export const SCALARS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

/** Digits of the largest 256-bit number */
export const MAX_DIGITS = 78

const DECIMAL = /^(?:0|[1-9]\d*)$/

/** A number in the one way it can be written, below `limit`; undefined when it is anything else */
export function parseNumber (text: unknown, limit: bigint): bigint | undefined {
  // the length first: to parse a number takes more than linear time
  if (typeof text !== 'string' || text.length > MAX_DIGITS || !DECIMAL.test(text)) {
    return undefined
  }
  const value = BigInt(text)
  return value < limit ? value : undefined
}

let permute: ((state: bigint[]) => bigint[]) | undefined

/**
 * Poseidon with two inputs, as circom has it: eight full rounds and 57 partial
 * ones over a state of three, with the constants of the paper's own generator.
 */
export function poseidon2 (left: bigint, right: bigint): bigint {
  if (permute == null) {
    // 15 ms, so not at import
    const shape = { Fp: Field(SCALARS), t: 3, roundsFull: 8, roundsPartial: 57 }
    permute = poseidon({ ...shape, ...grainGenConstants(shape), sboxPower: 5 })
  }
  return permute([0n, left, right])[0] ?? 0n
}

/** What Semaphore makes of a number of 256 bits so that it fits into the field */
export function toScalar (value: bigint): bigint {
  return toNumber(keccak_256(fromString(value.toString(16).padStart(64, '0'), 'base16'))) >> 8n
}

/** A number of 256 bits that stands for these words and no others: as JSON, no word can run into the next */
export function digest (...words: ReadonlyArray<string | number>): bigint {
  return toNumber(sha256(fromString(JSON.stringify(words))))
}

function toNumber (bytes: Uint8Array): bigint {
  return BigInt(`0x${toString(bytes, 'base16')}`)
}
