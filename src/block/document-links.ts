import { CID } from 'multiformats/cid'

/** Items of a document that are looked at: 2 ms of work; with a link in every tenth it is the links that end the search */
const MAX_ITEMS = 262_144

/** Major types of RFC 8949, section 3.1 */
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const TAG = 6
const SIMPLE = 7

/** A CID in dag-cbor: this tag, then a byte string that begins with a zero */
const CID_TAG = 42

/** False, true, null, undefined (which the decoder takes for null) and floating-point numbers; dag-cbor has no other simple values */
const SIMPLE_VALUES = new Set([20, 21, 22, 23, 25, 26, 27])

/**
 * The links of dag-cbor bytes, in document order. Goes from head to head
 * and builds nothing: neither depth nor claimed lengths cost anything. Throws
 * when the bytes are not CBOR as far as they were read.
 */
export function cborLinks (bytes: Uint8Array, limit: number): CID[] {
  const links: CID[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = 0
  let pending = 1
  let tagged = false

  for (let items = 0; pending > 0 && links.length < limit && items < MAX_ITEMS; items++) {
    const head = view.getUint8(offset++)
    const major = head >> 5
    const info = head & 31
    const argument = info < 24 ? info : readArgument(view, offset, info)
    offset += info < 24 ? 0 : 2 ** (info - 24)
    pending--

    if (tagged) {
      links.push(readCID(bytes, major, offset, argument))
      tagged = false
    }

    if (major === BYTES || major === TEXT) {
      offset += argument
    } else if (major === ARRAY) {
      pending += argument
    } else if (major === MAP) {
      pending += 2 * argument
    } else if (major === TAG) {
      tagged = isCIDTag(argument)
      pending++
    } else if (major === SIMPLE && !SIMPLE_VALUES.has(info)) {
      throw new TypeError(`Simple value ${info} is not dag-cbor`)
    }

    // every item has a byte at least
    if (pending > bytes.byteLength - offset) {
      throw new RangeError('Unexpected end of data')
    }
  }

  if (pending === 0 && offset !== bytes.byteLength) {
    throw new RangeError('More than one document')
  }

  return links
}

function readArgument (view: DataView, offset: number, info: number): number {
  switch (info) {
    case 24: return view.getUint8(offset)
    case 25: return view.getUint16(offset)
    case 26: return view.getUint32(offset)
    case 27: return view.getUint32(offset) * 2 ** 32 + view.getUint32(offset + 4)
    default: throw new TypeError('Lengths that are not given are not dag-cbor')
  }
}

function isCIDTag (tag: number): true {
  if (tag !== CID_TAG) {
    throw new TypeError(`Tag ${tag} is not dag-cbor`)
  }

  return true
}

function readCID (bytes: Uint8Array, major: number, offset: number, length: number): CID {
  if (major !== BYTES || bytes[offset] !== 0 || length > bytes.byteLength - offset) {
    throw new TypeError('Not a CID in dag-cbor')
  }

  return CID.decode(bytes.subarray(offset + 1, offset + length))
}

/**
 * `{"/":"…"}`, with nothing else in the map. Quotes inside a JSON string are
 * escaped, so in valid text this stands nowhere but at a link. 128 characters
 * hold a CID with 512 bits of digest, and base58 takes the square of the length.
 */
const JSON_LINK = /\{[ \t\r\n]*"\/"[ \t\r\n]*:[ \t\r\n]*"([^"\\]{1,128})"[ \t\r\n]*\}/g

/** The links of dag-json text, in document order. Searched for, not parsed: throws only at a link that is no CID. */
export function jsonLinks (bytes: Uint8Array, limit: number): CID[] {
  const links: CID[] = []

  for (const [, link = ''] of new TextDecoder().decode(bytes).matchAll(JSON_LINK)) {
    if (links.length >= limit) {
      break
    }

    links.push(CID.parse(link))
  }

  return links
}
