import { quote } from '../../interface/quote.ts'

/**
 * - `unreachable`: no connection, or it broke
 * - `refused`: it answered with an error
 * - `wrong-type`: what is there is no string
 * - `stalled`: no answer for so long that the connection was given up
 */
export type RedisErrorCode = 'unreachable' | 'refused' | 'wrong-type' | 'stalled'

/**
 * Made anew from what a server or a library said, never with that as its cause: their errors
 * carry the command with its arguments, and servers repeat passwords.
 */
export class RedisError extends Error {
  static override name = 'RedisError'
  override name = 'RedisError'
  readonly code: RedisErrorCode

  constructor (code: RedisErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Text of a server, fit for a log: short, printable and without the password, however it is written in there */
export function printable (text: string, password: string | undefined): string {
  const forms = password == null || password === '' ? [] : [password, encodeURIComponent(password), JSON.stringify(password).slice(1, -1)]
  return quote(forms.reduce((clean, form) => clean.replaceAll(form, '(not shown)'), text), 200)
}
