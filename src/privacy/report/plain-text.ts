/** Control characters, those that turn the direction of writing or are not seen, and halves of characters */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Text that others had a hand in, as one line: nothing in it moves a cursor, sets a colour, ends a line or turns it
 * around, and it is no longer than `max` characters. Each format still escapes what its own markup gives a meaning.
 */
export function plainText (text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, max - 1).toWellFormed()}…` : text.toWellFormed()
  return cut.replace(/[\n\t]+/g, ' ').replace(STEERING, visible)
}

/** A number of a report; a text in its place, which formats take for one that needs no escaping, is none */
export function plainNumber (value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN
}

/** JSON of the same meaning, without a character that a terminal obeys */
export function plainJson (value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(STEERING, character => character === '\n'
    ? character
    : Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''))
}

function visible (character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
