import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { concat } from 'uint8arrays/concat'
import { equals } from 'uint8arrays/equals'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { peerBytes, peerKey } from './kad-key.ts'
import { ProtobufReader, bytesField, numberField, varint } from './protobuf.ts'
import { KadMessageError } from './kad-message-error.ts'
import type { KadAnswer, KadPeer } from './kad-client.ts'

/** Types of messages that are sent here, by their numbers on the wire */
const TYPES = { ADD_PROVIDER: 2, GET_PROVIDERS: 3, FIND_NODE: 4, PING: 5 } as const

export type KadMessageType = keyof typeof TYPES

/** Bytes of an answer: go-libp2p-kad-dht names providers of a popular block up to this size, kad-dht all that it knows of */
export const MAX_MESSAGE_SIZE = 4_194_304
/** Bytes of an answer that are read, from its beginning: 120 peers with eight addresses of 100 bytes each are 100 KB, and both name the closer ones first */
export const MAX_READ = 262_144
/** Closer peers of an answer that are used: honest ones name k at most */
export const MAX_CLOSER = 20
/** Providers of an answer that are used */
export const MAX_PROVIDERS = 100
/** Entries of a list that are looked at, times those that are used: honest ones name nobody twice, and us and themselves once */
const LOOKED_AT = 2
/** Bytes of an address: WebRTC ones with a certificate hash over a relay have some 150 */
const MAX_ADDRESS_SIZE = 512

/** Field numbers of dht.proto */
const MESSAGE = { type: 1, key: 2, closer: 8, providers: 9 } as const
const PEER = { id: 1, addresses: 2 } as const

export interface KadRequestMessage {
  readonly type: KadMessageType
  readonly key?: Uint8Array
  /** With ADD_PROVIDER: who has it, encoded */
  readonly provider?: Uint8Array
}

/** The message behind its length, as it goes onto the stream */
export function encodeRequest ({ type, key, provider }: KadRequestMessage): Uint8Array {
  const body = [numberField(MESSAGE.type, TYPES[type])]

  if (key != null) {
    body.push(bytesField(MESSAGE.key, key))
  }

  if (provider != null) {
    body.push(bytesField(MESSAGE.providers, provider))
  }

  const message = concat(body)
  return concat([varint(message.byteLength), message])
}

/** Who has something, for ADD_PROVIDER: the same for any number of records */
export function encodeProvider ({ id, addresses }: Pick<KadPeer, 'id' | 'addresses'>): Uint8Array {
  return concat([
    bytesField(PEER.id, peerBytes(id)),
    ...addresses.map(address => bytesField(PEER.addresses, multiaddr(address).bytes))
  ])
}

export interface ExpectedAnswer {
  readonly type: KadMessageType
  readonly key: Uint8Array
  /** Our own peer id: we are neither asked nor told that we have something */
  readonly self?: string
  /** Whoever answers: it does not name itself as nearer, but may well have the block */
  readonly from?: string
}

/**
 * Reads an answer without its length, or the beginning of one that is longer than
 * is read. What is wrong in one peer of a list is passed over and counted; a message that is broken, or answers something else,
 * throws a `KadMessageError`.
 */
export function decodeAnswer (bytes: Uint8Array, expected: ExpectedAnswer): KadAnswer {
  if (bytes.byteLength > MAX_MESSAGE_SIZE) {
    throw new KadMessageError('too-large', `An answer has ${bytes.byteLength} bytes, at most ${MAX_MESSAGE_SIZE} are accepted`)
  }

  const reader = new ProtobufReader(bytes.byteLength < MAX_READ ? bytes : wholeFields(bytes.subarray(0, MAX_READ)))
  const closer = new PeerList(MAX_CLOSER, [expected.self, expected.from])
  const providers = new PeerList(MAX_PROVIDERS, [expected.self])
  let type = 0

  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === MESSAGE.type) {
      type = reader.number()
    } else if (field === MESSAGE.key) {
      checkKey(reader.bytes(), expected)
    } else if (field === MESSAGE.closer) {
      closer.add(reader.bytes())
    } else if (field === MESSAGE.providers) {
      providers.add(reader.bytes())
    } else {
      reader.skip()
    }
  }

  if (type !== TYPES[expected.type]) {
    throw new KadMessageError('type', `A ${expected.type} was answered by a message of type ${type}`)
  }

  return { closer: closer.peers, providers: expected.type === 'GET_PROVIDERS' ? providers.peers : [], skipped: closer.skipped + providers.skipped }
}

/** Without a last field that is cut */
function wholeFields (bytes: Uint8Array): Uint8Array {
  const reader = new ProtobufReader(bytes)
  let end = 0

  try {
    while (reader.next() !== 0) {
      reader.skip()
      end = reader.at
    }
  } catch (error) {
    if (!(error instanceof KadMessageError) || error.reason !== 'truncated') {
      throw error
    }
  }
  return bytes.subarray(0, end)
}

function checkKey (key: Uint8Array, { type, key: asked }: ExpectedAnswer): void {
  if (key.byteLength > 0 && !equals(key, asked)) {
    throw new KadMessageError('key', `A ${type} was answered for another key`)
  }
}

/** Collects peers up to a bound; what is too much or makes no sense is only counted */
class PeerList {
  readonly peers: KadPeer[] = []
  skipped = 0
  readonly #max: number
  readonly #known: Set<string | undefined>
  #lookedAt = 0

  constructor (max: number, without: ReadonlyArray<string | undefined>) {
    this.#max = max
    this.#known = new Set(without)
  }

  add (bytes: Uint8Array): void {
    if (this.peers.length >= this.#max || this.#lookedAt >= LOOKED_AT * this.#max) {
      this.skipped++
      return
    }
    this.#lookedAt++

    const reader = new ProtobufReader(bytes)
    const addresses: Uint8Array[] = []
    let idBytes: Uint8Array | undefined

    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === PEER.id) {
        idBytes = reader.bytes()
      } else if (field === PEER.addresses) {
        const address = reader.bytes()

        if (addresses.length < MAX_ADDRESSES && address.byteLength <= MAX_ADDRESS_SIZE) {
          addresses.push(address)
        } else {
          this.skipped++
        }
      } else {
        reader.skip()
      }
    }

    const id = idBytes == null ? undefined : peerOfBytes(idBytes)

    if (id == null) {
      this.skipped++
    } else if (!this.#known.has(id)) {
      this.#known.add(id)
      this.peers.push({ id, key: peerKey(id), addresses: this.#addresses(id, addresses) })
    }
  }

  #addresses (id: string, list: readonly Uint8Array[]): string[] {
    const result = new Set<string>()

    for (const bytes of list) {
      const address = addressOfBytes(bytes, id)

      if (address == null) {
        this.skipped++
      } else {
        result.add(address)
      }
    }

    return [...result]
  }
}

/** What keys look like behind the identity hash: Ed25519 and secp256k1; others are named by their SHA-256 */
const INLINE_KEYS: ReadonlyArray<{ readonly head: readonly number[], readonly length: number }> = [
  { head: [0x00, 0x24, 0x08, 0x01, 0x12, 0x20], length: 38 },
  { head: [0x00, 0x25, 0x08, 0x02, 0x12, 0x21], length: 39 },
  { head: [0x12, 0x20], length: 34 }
]

/** The base58 id of a peer by its multihash, undefined when that is none */
function peerOfBytes (bytes: Uint8Array): string | undefined {
  return INLINE_KEYS.some(({ head, length }) => bytes.byteLength === length && head.every((byte, i) => bytes[i] === byte))
    ? base58btc.baseEncode(bytes)
    : undefined
}

/** The address as text, without the peer's own id at its end; undefined for protocols that are unknown, and for addresses of somebody else */
function addressOfBytes (bytes: Uint8Array, id: string): string | undefined {
  try {
    const components = multiaddr(bytes).getComponents()
    const last = components.at(-1)

    if (last?.name === 'p2p') {
      if (last.value !== id) {
        return undefined
      }
      components.pop()
    }

    return components.length === 0 ? undefined : multiaddr(components).toString()
  } catch {
    // "not an address" is one of the answers, whatever the decoder made of it; the caller counts it
    return undefined
  }
}
