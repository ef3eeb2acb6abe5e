/** Long enough for a whole CID or multiaddr with a peer id, short enough for one terminal line */
const DEFAULT_QUOTE_LENGTH = 120

/**
 * Somebody else's text, fit to be printed inside an error message: cut short,
 * and without control, bidirectional or unassigned characters, which could
 * rewrite the terminal line that they are printed on.
 *
 * Never throws, whatever it is given.
 */
export function quote (value: unknown, length: number = DEFAULT_QUOTE_LENGTH): string {
  const text = asText(value)
  const clean = cut(text, length).replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escape)

  return typeof value === 'string' ? `"${clean}"` : clean
}

/** The same of a message that becomes the end of another one, in which quotes of its own stand as they are */
export function reason (err: unknown, length: number = DEFAULT_QUOTE_LENGTH): string {
  return cut(err instanceof Error ? err.message : asText(err), length).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escape)
}

function cut (text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}

function asText (value: unknown): string {
  try {
    return String(value)
  } catch {
    // an object without prototype, or one whose toString throws, still deserves a name in the message
    return `[${typeof value}]`
  }
}

function escape (character: string): string {
  return character === '"' || character === '\\' ? `\\${character}` : `\\u{${character.codePointAt(0)?.toString(16) ?? '?'}}`
}
