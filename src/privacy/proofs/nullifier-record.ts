import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import type { Pair } from 'interface-datastore'

/** In place of an id: when everything that was claimed until then was forgotten */
export const HORIZON = 'horizon'

/** 64 + 1 + 64 hexadecimal digits */
const ID = /^(?:horizon|[\da-f]{64}-[\da-f]{64})$/

/** Bytes: more is not ours */
const MAX_VALUE = 256
const TIME = /^\d{1,15}$/

/** Milliseconds, or a claim that counts for good, since nobody knows until when it did */
const UNTIL = /^(?:\d{1,15}|Infinity)$/

/** Digits of the hash: 64 bits, against damage and not against people, who could write another hash */
const CHECK_DIGITS = 16

/** What is to be learnt of a pair in the datastore */
export interface NullifierRecord {
  /** Undefined where that cannot be known */
  readonly id?: string
  /** Undefined where that cannot be known */
  readonly until?: number
  /** Something in it is not as it was written */
  readonly damaged: boolean
  /** Of a former version, or under a key that is not its own: to be written anew */
  readonly former: boolean
}

/** With the key in it once more, so that neither can change unnoticed, and either is known without the other */
export function recordOf (id: string, until: number): string {
  return `${id} ${until} ${checkOf(id, until)}`
}

export function readRecord (key: Pair['key'], value: Uint8Array): NullifierRecord {
  const name = key.baseNamespace()
  const named = ID.test(name) ? name : undefined
  const text = value.byteLength > MAX_VALUE ? '' : toString(value)

  if (key.parent().baseNamespace() === 'v1') {
    // what is cut to nothing would read as the year 1970
    const until = TIME.test(text) ? Number(text) : undefined
    return { id: named, until, damaged: until == null || named == null, former: true }
  }

  const [id = '', time = '', check = '', ...more] = text.split(' ')
  const whole = more.length === 0 && ID.test(id) && UNTIL.test(time) && check === checkOf(id, Number(time))
  return whole
    ? { id, until: Number(time), damaged: id !== name, former: id !== name }
    : { id: named, damaged: true, former: false }
}

function checkOf (id: string, until: number): string {
  return toString(sha256(fromString(`${id} ${until}`)), 'base16').slice(0, CHECK_DIGITS)
}
