/** Control characters, and those that turn the direction of writing or are not seen */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Text that others had a hand in, fit for a terminal: nothing in it moves the
 * cursor, sets a colour or a title, or turns the line around. Lines stay lines.
 */
export function terminalText (text: string): string {
  return text.replace(STEERING, character => character === '\n' || character === '\t' ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** JSON of the same meaning, without a character that a terminal obeys */
export function terminalJson (value: unknown, indent = 2): string {
  return (JSON.stringify(value, undefined, indent) ?? 'null').replace(STEERING, character => character === '\n'
    ? character
    : Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''))
}

/** A word as a POSIX shell reads it back; what a terminal would obey is written as bash, zsh and ksh write it */
export function shellWord (text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) {
    return text
  }
  return text.search(STEERING) < 0
    ? `'${text.replaceAll("'", "'\\''")}'`
    : `$'${Array.from(text, escaped).join('')}'`
}

/** Two digits at most are read of `\xNN`, so what follows is never taken for a part of it */
function escaped (character: string): string {
  if (character === "'" || character === '\\') {
    return `\\${character}`
  }
  return character.search(STEERING) < 0
    ? character
    : Array.from(new TextEncoder().encode(character), byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
