import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { base58btc } from 'multiformats/bases/base58'
import { concat } from 'uint8arrays/concat'
import { describe, expect, it, vi } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { peerBytes, peerKey } from '../../../src/discovery/kad/kad-key.ts'
import { MAX_CLOSER, MAX_MESSAGE_SIZE, MAX_PROVIDERS, MAX_READ, decodeAnswer, encodeProvider, encodeRequest } from '../../../src/discovery/kad/kad-message.ts'
import { MAX_ADDRESSES } from '../../../src/provider/provider.ts'
import { KadMessageError } from '../../../src/discovery/kad/kad-message-error.ts'
import type { KadAnswer } from '../../../src/discovery/kad/kad-client.ts'

const KEY = Uint8Array.from([0x12, 0x20, ...new Uint8Array(32).fill(7)])
const expected = { type: 'GET_PROVIDERS', key: KEY } as const
const random = seededRandom(3)

/** A second, simpler writer: what is read must not depend on our own */
function length (n: number): number[] {
  return n < 128 ? [n] : [n & 127 | 128, ...length(n >>> 7)]
}

function field (number: number, value: Uint8Array | number): Uint8Array {
  return typeof value === 'number'
    ? Uint8Array.from([number * 8, ...length(value)])
    : concat([Uint8Array.from([number * 8 + 2, ...length(value.byteLength)]), value])
}

function peer (id: Uint8Array, addresses: Uint8Array[] = []): Uint8Array {
  return concat([field(1, id), ...addresses.map(address => field(2, address)), field(3, 1)])
}

function reasonOf (fn: () => unknown): string {
  try {
    fn()
    return 'none'
  } catch (error) {
    return error instanceof KadMessageError ? error.reason : `${(error as Error).name}: ${(error as Error).message}`
  }
}

const decode = (...fields: Uint8Array[]): KadAnswer => decodeAnswer(concat(fields), expected)
const address = multiaddr('/ip4/192.0.2.7/tcp/4001').bytes

describe('messages of the DHT', () => {
  it('reads what another writer wrote', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.array(fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })), { maxLength: 6 })), { maxLength: 20 }), list => {
      const peers = list.map(([provider, addresses]) => ({ ...madeUpPeer(random, [...new Set(addresses.map(([ip, port]) => `/ip4/${ip}/tcp/${port}`))]), provider }))
      const fields = peers.map(({ id, addresses, provider }) => field(provider ? 9 : 8, peer(peerBytes(id), addresses.map(text => multiaddr(text).bytes))))
      const answer = decode(field(1, 3), field(2, KEY), ...fields, field(10, 1))
      const plain = (some: KadAnswer['closer']): unknown => some.map(({ id, addresses }) => ({ id, addresses }))

      expect(plain(answer.closer)).toEqual(plain(peers.filter(({ provider }) => !provider)))
      expect(plain(answer.providers)).toEqual(plain(peers.filter(({ provider }) => provider)))
      expect(answer.skipped).toBe(0)
    }))
  })

  it('reads its own requests, every field where dht.proto has it', () => {
    const provider = madeUpPeer(random)
    const bytes = encodeRequest({ type: 'ADD_PROVIDER', key: KEY, provider: encodeProvider(provider) })

    expect(bytes).toEqual(concat([
      Uint8Array.from(length(bytes.byteLength - 1)),
      field(1, 2), field(2, KEY), field(9, concat([field(1, peerBytes(provider.id)), field(2, multiaddr(provider.addresses[0]).bytes)]))
    ]))
    expect(encodeRequest({ type: 'PING' })).toEqual(Uint8Array.of(2, 8, 5))
  })

  it('names peers as libp2p does, whatever their key', async () => {
    for (const type of ['Ed25519', 'secp256k1', 'RSA'] as const) {
      const id = peerIdFromPrivateKey(await (type === 'RSA' ? generateKeyPair(type, 2048) : generateKeyPair(type)))
      const [read] = decode(field(1, 3), field(8, peer(id.toMultihash().bytes))).closer

      expect(read?.id).toBe(id.toString())
      expect(read?.key).toEqual(peerKey(id.toString()))
    }
  })

  it.each([
    ['a peer id that does not parse', [peer(Uint8Array.of(1, 2, 3))]],
    ['a peer id with a hash that is cut', [peer(peerBytes(madeUpPeer(random).id).subarray(0, 33))]],
    ['no peer id', [field(2, address)]],
    ['an address of an unknown protocol', [peer(peerBytes(madeUpPeer(random).id), [Uint8Array.of(0xff, 0xff, 0x03, 1)])]],
    ['an empty address', [peer(peerBytes(madeUpPeer(random).id), [new Uint8Array(0)])]],
    ['an address of somebody else', [peer(peerBytes(madeUpPeer(random).id), [multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${madeUpPeer(random).id}`).bytes])]],
    ['an address longer than any', [peer(peerBytes(madeUpPeer(random).id), [multiaddr(`/dns4/${'a'.repeat(600)}/tcp/1`).bytes])]]
  ])('passes over %s, and reads the rest', (_, peers) => {
    const good = madeUpPeer(random)
    const answer = decode(field(1, 3), ...peers.map(bytes => field(8, bytes)), field(8, peer(peerBytes(good.id), [address])))

    expect(answer.skipped).toBe(1)
    expect(answer.closer.at(-1)).toEqual({ id: good.id, key: good.key, addresses: ['/ip4/192.0.2.7/tcp/4001'] })
    expect(answer.closer.slice(0, -1).flatMap(({ addresses }) => addresses)).toEqual([])
  })

  it('takes no more peers and addresses than are of use, and counts the others', () => {
    const many = Array.from({ length: 300 }, (_, i) => multiaddr(`/ip4/192.0.2.1/tcp/${i + 1}`).bytes)
    const fields = Array.from({ length: 130 }, (_, i) => [8, 9].map(number => field(number, peer(peerBytes(madeUpPeer(random).id), i === 0 ? many : [])))).flat()
    const { closer, providers, skipped } = decode(field(1, 3), ...fields)

    expect([closer.length, providers.length, closer[0]?.addresses.length]).toEqual([MAX_CLOSER, MAX_PROVIDERS, MAX_ADDRESSES])
    expect(skipped).toBe((130 - MAX_CLOSER) + (130 - MAX_PROVIDERS) + 2 * (300 - MAX_ADDRESSES))
  })

  it('names nobody twice, neither us nor, as nearer than itself, whoever answers', () => {
    const [us, them, other] = [madeUpPeer(random), madeUpPeer(random), madeUpPeer(random)]
    const all = [us, them, other, other].flatMap(({ id }) => [field(8, peer(peerBytes(id))), field(9, peer(peerBytes(id)))])
    const answer = decodeAnswer(concat([field(1, 3), ...all]), { ...expected, self: us.id, from: them.id })

    expect(answer.closer.map(({ id }) => id)).toEqual([other.id])
    expect(answer.providers.map(({ id }) => id)).toEqual([them.id, other.id])
  })

  it('is not kept busy by entries that are of no use, nor by entries of many ids', () => {
    const [us, them, good, other] = Array.from({ length: 4 }, () => peerBytes(madeUpPeer(random).id)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const spy = vi.spyOn(base58btc, 'baseEncode')
    const those = { ...expected, self: base58btc.baseEncode(us), from: base58btc.baseEncode(them) }
    const read = (first: Uint8Array[]): KadAnswer => decodeAnswer(concat([field(1, 3), ...[...first, peer(good)].map(entry => field(8, entry))]), those)
    spy.mockClear()

    try {
      // the honest name each of us once, and nobody twice
      expect(read([peer(us), peer(them), ...Array.from({ length: 17 }, () => peer(other))]).closer).toHaveLength(2)
      expect(read(Array.from({ length: 1_000 }, () => peer(them)))).toMatchObject({ closer: [], skipped: 1_001 - 2 * MAX_CLOSER })
      expect(read([concat(Array.from({ length: 1_000 }, () => field(1, them)))]).closer.map(({ id }) => id)).toEqual([base58btc.baseEncode(good)])
      expect(spy.mock.calls.length).toBeLessThan(100)
    } finally {
      spy.mockRestore()
    }
  })

  it('reads the beginning of an answer that is longer than is read', () => {
    const peers = Array.from({ length: 20 }, () => madeUpPeer(random))
    const head = concat([field(1, 3), field(2, KEY), ...peers.map(({ id }) => field(8, peer(peerBytes(id), [address])))])
    const provider = madeUpPeer(random)
    const filler = (bytes: number): Uint8Array => field(9, peer(peerBytes(provider.id), Array.from({ length: Math.floor(bytes / 10) }, () => address)))

    for (const end of [[filler(MAX_READ)], [filler(1_000), filler(MAX_READ)], [filler(1_000), ...Array.from({ length: 3_000 }, () => filler(1_000))]]) {
      const answer = decodeAnswer(concat([head, ...end]), expected)
      expect(answer.closer.map(({ id }) => id)).toEqual(peers.map(({ id }) => id))
      expect(answer.providers.map(({ id }) => id)).toEqual(end.length === 1 ? [] : [provider.id])
    }
    // cut at any byte, and what is broken before the cut is broken
    for (let at = 0; at < 60; at++) {
      const whole = concat([head, field(4, new Uint8Array(MAX_READ - head.byteLength - 40 + at)), field(9, peer(peerBytes(provider.id))), new Uint8Array(200_000)])
      expect(decodeAnswer(whole, expected).closer).toHaveLength(20)
    }
    expect(reasonOf(() => decode(field(8, Uint8Array.of(10, 9)), head, filler(2 * MAX_READ)))).toBe('truncated')
  })

  it('takes the own id off the end of an address', () => {
    const { id } = madeUpPeer(random)
    const relay = madeUpPeer(random).id
    const texts = [`/ip4/192.0.2.1/tcp/1/p2p/${id}`, `/ip4/192.0.2.1/tcp/2/p2p/${relay}/p2p-circuit/p2p/${id}`]

    expect(decode(field(1, 3), field(8, peer(peerBytes(id), texts.map(text => multiaddr(text).bytes)))).closer[0]?.addresses)
      .toEqual(['/ip4/192.0.2.1/tcp/1', `/ip4/192.0.2.1/tcp/2/p2p/${relay}/p2p-circuit`])
  })

  it.each([
    ['another type', 'type', [field(1, 4)]],
    ['no type', 'type', [field(2, KEY)]],
    ['another key', 'key', [field(1, 3), field(2, KEY.subarray(1))]],
    ['a field that is cut', 'truncated', [field(1, 3), Uint8Array.of(8 * 8 + 2, 5, 1)]],
    ['a length beyond all memory', 'truncated', [field(1, 3), Uint8Array.of(8 * 8 + 2, 255, 255, 255, 255, 255, 255, 255, 255, 127)]],
    ['a number without an end', 'varint', [Uint8Array.from([8, ...new Uint8Array(11).fill(255)])]],
    ['the end within a number', 'truncated', [Uint8Array.of(8, 255)]],
    ['a number for a peer', 'wire-type', [field(8, 1)]],
    ['bytes for a type', 'wire-type', [field(1, KEY)]],
    ['a group', 'wire-type', [Uint8Array.of(7 * 8 + 3)]],
    ['field 0', 'wire-type', [Uint8Array.of(0, 0)]],
    ['a broken peer', 'truncated', [field(1, 3), field(8, Uint8Array.of(10, 9))]],
    ['too many bytes', 'too-large', [new Uint8Array(MAX_MESSAGE_SIZE + 1)]]
  ])('refuses %s', (_, reason, fields) => {
    expect(reasonOf(() => decode(...fields))).toBe(reason)
  })

  it('answers any bytes with an answer within bounds or a named error', () => {
    const whole = concat([field(1, 3), field(2, KEY), ...Array.from({ length: 4 }, (_, i) => field(8 + i % 2, peer(peerBytes(madeUpPeer(random).id), [address])))])
    const mutated = fc.tuple(fc.integer({ min: 0, max: whole.length }), fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 })).map(([end, changes]) => {
      const bytes = whole.slice()
      for (const [at, value] of changes) {
        bytes[at] = value
      }
      return bytes.subarray(0, end)
    })

    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), bytes => {
      let answer: KadAnswer | undefined
      try {
        answer = decodeAnswer(bytes, expected)
      } catch (error) {
        expect(error).toBeInstanceOf(KadMessageError)
      }

      for (const read of [...answer?.closer ?? [], ...answer?.providers ?? []]) {
        expect(peerKey(read.id)).toEqual(read.key)
        expect(read.addresses.length).toBeLessThanOrEqual(MAX_ADDRESSES)
      }
    }), { numRuns: 3_000 })
  })
})
