import fc from 'fast-check'
import { concat } from 'uint8arrays/concat'
import { describe, expect, it } from 'vitest'
import { Frame } from '../../../src/discovery/kad/frame.ts'
import { MAX_MESSAGE_SIZE, MAX_READ } from '../../../src/discovery/kad/kad-message.ts'
import { varint } from '../../../src/discovery/kad/protobuf.ts'

describe('frame', () => {
  it('gathers a message however it is cut', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(400), { maxLength: 8 }), fc.boolean(), (message, cuts, beyond) => {
      const bytes = concat([varint(message.byteLength), message, new Uint8Array(beyond ? 3 : 0)])
      const at = [0, ...cuts.map(cut => Math.min(cut, bytes.byteLength)).sort((a, b) => a - b), bytes.byteLength]
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
      const frame = new Frame()
      const results = pieces.map(piece => frame.push(piece))

      expect(results.findLast(result => result != null)).toEqual(message)
      expect(frame.beyond).toBe(beyond)
    }))
  })

  it('refuses a length that is too great before a byte of it is there', () => {
    expect(() => new Frame().push(varint(MAX_MESSAGE_SIZE + 1))).toThrow(expect.objectContaining({ name: 'KadMessageError', reason: 'too-large' }))
    expect(new Frame().push(varint(MAX_MESSAGE_SIZE))).toBeUndefined()
  })

  it('gathers the beginning of one that is longer than is read', () => {
    const message = Uint8Array.from({ length: MAX_READ + 5_000 }, (_, i) => i % 251)
    const bytes = concat([varint(message.byteLength), message])

    for (const size of [1_000, 16_384, MAX_READ + 1, bytes.byteLength]) {
      const frame = new Frame()
      let read: Uint8Array | undefined
      for (let at = 0; at < bytes.byteLength && read == null; at += size) {
        read = frame.push(bytes.subarray(at, at + size))
      }
      expect(read?.byteLength).toBe(MAX_READ)
      expect(Buffer.compare(read as Uint8Array, message.subarray(0, MAX_READ))).toBe(0)
      // so the stream is of no use any more
      expect(frame.beyond).toBe(true)
    }
  })

  it('keeps none of the pieces', () => {
    const message = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251)
    const frame = new Frame()
    // the same buffer over and over, as a source that reuses it would have it
    const piece = new Uint8Array(1)
    let read = frame.push(varint(message.byteLength))
    for (const byte of message) {
      piece[0] = byte
      read = frame.push([piece])
    }

    expect(read).toEqual(message)
  })

  it('refuses a length without an end', () => {
    expect(() => new Frame().push(new Uint8Array(10).fill(0x80))).toThrow(expect.objectContaining({ name: 'KadMessageError', reason: 'varint' }))
  })
})
