import { quote } from '../../interface/quote.ts'

/** Enough for a host name, a header value or a status line; a terminal row has about 80 columns */
const DEFAULT_MAX_LENGTH = 80

/** Somebody else's text as `quote` makes it fit to be printed, without the quotes: to stand inside a sentence */
export function printable (text: string, maxLength: number = DEFAULT_MAX_LENGTH): string {
  return quote(text, maxLength).slice(1, -1)
}
