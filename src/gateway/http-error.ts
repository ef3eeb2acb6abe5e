import type { Story } from '../interface/errors.ts'

/** An answer that is not the thing asked for; `message` is what the client reads */
export class HttpError extends Error {
  static override name = 'HttpError'
  override name = 'HttpError'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor (status: number, message: string, init: ErrorOptions & { headers?: Readonly<Record<string, string>> } = {}) {
    super(message, init)
    this.status = status
    this.headers = init.headers ?? {}
  }
}

/** The gateway's port cannot be had */
export class ListenError extends Error {
  static override name = 'ListenError'
  override name = 'ListenError'
}

const BY_NAME: Readonly<Record<string, number>> = {
  InvalidCIDError: 400,
  UnacceptableHashError: 400,
  InvalidOptionError: 400,
  InvalidProviderError: 400,
  AddressRefusedError: 400,
  NotFoundError: 404,
  AnnounceRefusedError: 409,
  OfflineError: 412,
  BlockTooLargeError: 502,
  HashMismatchError: 502,
  NotRunningError: 503,
  RetrievalFailedError: 504,
  RetrievalTimeoutError: 504
}

const BY_UNIXFS_CODE: Readonly<Record<string, number>> = {
  'not-found': 404,
  'not-a-file': 404,
  'not-a-directory': 404,
  malformed: 502,
  'too-large': 502,
  unsupported: 406
}

/**
 * The status and text that tell a client what went wrong, with what was tried.
 * An error that nobody foresaw is a 500 without its message: it may name files
 * or addresses of this machine.
 */
export function toHttpError (err: unknown): HttpError {
  if (err instanceof HttpError) {
    return err
  }
  const error = err instanceof Error ? err : new Error(String(err))
  const { code, story } = error as { code?: string, story?: Story }
  const status = error.name === 'UnixFSError' ? BY_UNIXFS_CODE[code ?? ''] : Object.hasOwn(BY_NAME, error.name) ? BY_NAME[error.name] : undefined

  if (status == null) {
    return new HttpError(500, 'Something went wrong here; the log of the node says more.', { cause: err })
  }
  const told = story == null ? '' : `\n\n${String(story)}`
  const hint = status === 406 ? '\n\nThe block itself can be had with ?format=raw' : ''
  return new HttpError(status, `${error.message}${told}${hint}`, { cause: err })
}
