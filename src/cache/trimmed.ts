/** A view that holds more than twice its own bytes is copied: what it is cut from would stay with it */
const MAX_WASTE = 2

/** The bytes as they can be kept */
export function trimmed (bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.byteLength * MAX_WASTE ? bytes.slice() : bytes
}
