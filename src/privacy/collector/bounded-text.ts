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

/** Lists that are shared at most: peers of one network speak the same few protocols, in a few orders */
const MAX_LISTS = 256
/** Texts of one that is shared: what has more is some peer's own */
const MAX_SHARED = 8

/** Lists like one another are one: of each that is kept for a while the engine would make an old object */
export class SharedLists {
  readonly #lists = new Map<string, readonly string[]>()

  remembered (list: readonly string[], text: string, max: number): readonly string[] {
    if (list.includes(text) || list.length >= Math.min(max, MAX_SHARED)) {
      return remembered(list, text, max)
    }
    const key = JSON.stringify([...list, text])
    let shared = this.#lists.get(key)

    if (shared == null) {
      shared = remembered(list, text, max)
      if (this.#lists.size >= MAX_LISTS) {
        this.#lists.clear()
      }
      this.#lists.set(key, shared)
    }
    return shared
  }
}

/** Of protocols: they are no secret, and the same for all nodes in a process */
export const protocolLists = new SharedLists()
