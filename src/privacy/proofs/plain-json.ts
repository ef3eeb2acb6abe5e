const QUOTE = 34
const ESCAPE = 92

/** What it says of other formats */
export const NOT_JSON = 'it is not JSON'

/** What is wrong with it, in words that say nothing of what is in it: somebody may have named the wrong file */
export class NotPlainJsonError extends Error {
  static override name = 'NotPlainJsonError'
  override name = 'NotPlainJsonError'
}

/**
 * Reads JSON that every reader reads alike. Throws a `NotPlainJsonError` for any other: of two values of one name some take
 * the first and some the last, and a number that is too large is infinite to some, so that what is verified were not what
 * another one sees.
 */
export function parsePlainJson (source: string | Uint8Array): unknown {
  let text: string
  let value: unknown
  let finite = true

  try {
    text = typeof source === 'string' ? source : new TextDecoder('utf-8', { fatal: true }).decode(source)
    value = JSON.parse(text, (_, value: unknown) => {
      finite &&= typeof value !== 'number' || Number.isFinite(value)
      return value
    })
  } catch (err) {
    throw new NotPlainJsonError(err instanceof RangeError ? 'it is nested too deeply' : NOT_JSON, { cause: err })
  }
  if (!finite) {
    throw new NotPlainJsonError('it has a number that is too large')
  }
  checkNames(text)
  return value
}

/** Of text that is JSON: what is in it need not be looked at closer than to tell names from values */
function checkNames (text: string): void {
  /** The names of each object around, nothing for an array */
  const around: Array<Set<string> | undefined> = []

  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        around.push(new Set())
        break
      case '[':
        around.push(undefined)
        break
      case '}':
      case ']':
        around.pop()
        break
      case '"': {
        const end = endOfString(text, at)
        const names = around.at(-1)

        if (names != null && isName(text, end)) {
          const name = JSON.parse(text.slice(at, end)) as string
          if (names.has(name)) {
            throw new NotPlainJsonError('it has two values of one name')
          }
          names.add(name)
        }
        at = end - 1
      }
    }
  }
}

function endOfString (text: string, start: number): number {
  let at = start + 1

  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === ESCAPE ? 2 : 1
  }
  return at + 1
}

function isName (text: string, end: number): boolean {
  let at = end

  while (/\s/.test(text[at] ?? '')) {
    at++
  }
  return text[at] === ':'
}
