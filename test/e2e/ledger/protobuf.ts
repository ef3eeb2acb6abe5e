/** So much of protobuf as a spy needs: it is not to share its reading with what it watches */
export type Field = { readonly number: number, readonly value: number | Uint8Array }

export function fields (bytes: Uint8Array): Field[] {
  const found: Field[] = []
  let at = 0

  while (at < bytes.length) {
    const tag = varint(bytes, at)
    const value = varint(bytes, tag.end)

    if ((tag.value & 7) === 2) {
      found.push({ number: tag.value >>> 3, value: bytes.slice(value.end, value.end + value.value) })
      at = value.end + value.value
    } else {
      found.push({ number: tag.value >>> 3, value: value.value })
      at = value.end
    }
  }
  return found
}

export function bytesOf (list: readonly Field[], number: number): Uint8Array[] {
  return list.flatMap(field => field.number === number && field.value instanceof Uint8Array ? [field.value] : [])
}

export function numberOf (list: readonly Field[], number: number): number {
  const value = list.find(field => field.number === number)?.value
  return typeof value === 'number' ? value : 0
}

export function encoded (...parts: ReadonlyArray<readonly [number: number, value: number | Uint8Array]>): Uint8Array {
  return Buffer.concat(parts.flatMap(([number, value]) => typeof value === 'number'
    ? [toVarint(number << 3), toVarint(value)]
    : [toVarint(number << 3 | 2), toVarint(value.length), value]))
}

export function framed (message: Uint8Array): Uint8Array {
  return Buffer.concat([toVarint(message.length), message])
}

/** Cuts what comes into messages, each behind its length */
export function frames (onMessage: (message: Uint8Array) => void): (chunk: Uint8Array) => void {
  let rest: Uint8Array = new Uint8Array()

  return chunk => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const end = rest.findIndex(byte => byte < 0x80)
      const length = end < 0 ? undefined : varint(rest, 0)

      if (length == null || rest.length < length.end + length.value) {
        return
      }
      const message = rest.slice(length.end, length.end + length.value)
      rest = rest.slice(length.end + length.value)
      onMessage(message)
    }
  }
}

function varint (bytes: Uint8Array, start: number): { value: number, end: number } {
  let value = 0
  let scale = 1

  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * scale
    scale *= 128
    if (byte < 0x80) {
      return { value, end: at + 1 }
    }
  }
  throw new Error('A number has no end')
}

function toVarint (value: number): Uint8Array {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) {
      return Uint8Array.from([...bytes, left])
    }
    bytes.push(left % 128 | 0x80)
  }
}
