import { TransportError } from '../../interface/http-transport.ts'
import { printable } from './printable.ts'
import type { TransportFailure } from '../../interface/http-transport.ts'

/** How far an exchange had come when it failed */
export type Stage = 'connecting' | 'asked' | 'answering' | 'body'

/** Codes of the resolver (getaddrinfo and c-ares) */
const DNS_CODES: readonly string[] = ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'ETIMEOUT']

/** Codes that only arise before a connection stands */
const CONNECT_CODES: readonly string[] = ['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EINVAL', 'EMFILE', 'ENFILE']

const LOST_CODES: readonly string[] = ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'UND_ERR_INFO', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']

/** Nothing can have been asked when the exchange failed in one of these ways */
export function beforeAsking (failure: TransportFailure): boolean {
  return failure === 'dns' || failure === 'connect' || failure === 'tls'
}

/**
 * Turns what sockets, undici or a platform's `fetch` throw into a TransportError.
 * Reads only codes, so it works for every one of them; an error without a code
 * (a browser's TypeError) becomes `network`.
 */
export function transportError (error: unknown, stage: Stage, init: { stale?: boolean } = {}): TransportError {
  if (error instanceof TransportError) {
    return error
  }

  const told = origin(error)
  const failure = classify(told, stage)

  return new TransportError(failure, describe(failure, stage, told), { cause: error, stale: init.stale })
}

/** undici's error for a syntax error; its code is missing in 8.12.4, so the name has to do */
const PARSER_ERROR = 'HTTPParserError'

interface Told {
  readonly name: string
  readonly code?: string
  readonly message: string
}

function classify ({ name, code, message }: Told, stage: Stage): TransportFailure {
  if (name === PARSER_ERROR) {
    return stage === 'body' && message.includes('EOF') ? 'truncated' : 'protocol'
  }

  if (code === undefined) {
    return stage === 'connecting' ? 'connect' : 'network'
  }

  if (DNS_CODES.includes(code)) {
    return 'dns'
  }

  if (CONNECT_CODES.includes(code)) {
    return 'connect'
  }

  if (isTls(code)) {
    return 'tls'
  }

  if (stage === 'connecting') {
    return 'connect'
  }

  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return stage === 'body' ? 'truncated' : 'protocol'
  }

  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return 'protocol'
  }

  if (code === 'UND_ERR_SOCKET') {
    // undici has no codes for an interim answer or an upgrade that nobody asked for
    if (/^bad (?:response|upgrade)/.test(message)) {
      return 'protocol'
    }

    // the other side ended the connection in good order, in the middle of a body; a reset has its own code
    return stage === 'body' ? 'truncated' : 'lost'
  }

  return LOST_CODES.includes(code) ? 'lost' : 'network'
}

function isTls (code: string): boolean {
  return /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/.test(code)
}

function describe (failure: TransportFailure, stage: Stage, { code, message }: Told): string {
  const detail = printable(code === undefined || message.includes(code) ? message : `${message}, ${code}`, 160)

  switch (failure) {
    case 'dns': return `its name could not be resolved (${detail})`
    case 'connect': return `could not connect (${detail})`
    case 'tls': return `its certificate or TLS handshake was not acceptable (${detail})`
    case 'truncated': return `the body was truncated (${detail})`
    case 'protocol': return `the answer is not acceptable HTTP (${detail})`
    case 'redirect': return 'redirects, which is not followed'
    case 'lost': return `the connection broke ${WHERE[stage]} (${detail})`
    case 'network': return `the request failed ${WHERE[stage]} (${detail})`
  }
}

const WHERE: Record<Stage, string> = {
  connecting: 'while connecting',
  asked: 'before an answer came',
  answering: 'in the middle of the headers',
  body: 'in the middle of the body'
}

/** The first error in the chain of causes that says what happened: `fetch` wraps it in a TypeError */
function origin (error: unknown): Told {
  let current = error

  // five: no platform wraps deeper, and a chain may be a ring
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const { name, message } = current
    const code = (current as { code?: unknown }).code

    if (typeof code === 'string') {
      return { name, code, message: message === '' ? code : message }
    }

    if (name === PARSER_ERROR) {
      return { name, message }
    }

    current = (current instanceof AggregateError ? current.errors[0] : undefined) ?? current.cause
  }

  return error instanceof Error ? { name: error.name, message: error.message } : { name: 'Error', message: String(error) }
}
