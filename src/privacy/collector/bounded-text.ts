/** Longest agent string that is kept: real ones have 20 to 80 characters */
export const MAX_AGENT = 256
/** Longest name of a protocol: real ones have 10 to 60 characters */
export const MAX_PROTOCOL = 128
/** Longest address: a relayed one with two peer ids and a certificate hash has about 300 characters */
export const MAX_ADDRESS = 512

const encoder = new TextEncoder()
// what begins with a byte order mark keeps it
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * What a peer sent, cut to a length. The copy is a string of its own: a slice would
 * keep the whole megabyte alive. Half a character at the cut becomes U+FFFD.
 */
export function bounded (text: string, max: number): string {
  return text.length <= max ? text : decoder.decode(encoder.encode(`${text.slice(0, max - 1)}…`))
}

export const NONE: readonly string[] = Object.freeze([])

/** A small list of distinct texts with one more, the oldest of which goes when it is full; copied, as an array that grows keeps room for 17 */
export function remembered (list: readonly string[], text: string, max: number): readonly string[] {
  return list.includes(text) ? list : [...list.slice(list.length >= max ? 1 : 0), text]
}
