/**
 * The bytes as they can be kept: a copy, when they are cut from a buffer that would stay with them.
 *
 * @param waste - bytes of it that may stay besides
 */
export function trimmed (bytes: Uint8Array, waste: number = 0): Uint8Array {
  // `slice` of a Buffer is a view again
  return bytes.buffer.byteLength > bytes.byteLength + waste ? new Uint8Array(bytes) : bytes
}
