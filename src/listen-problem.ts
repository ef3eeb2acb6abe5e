import { ListenError } from './gateway/http-error.ts'
import { InvalidOptionError } from './interface/errors.ts'
import { addressEndpoint } from './provider/endpoint.ts'

/** libp2p says what went wrong with each address in one text, with its stack */
const REASON = /^\s*(\/\S+): \w*Error: (?:(?:listen|bind) )?(?:(E[A-Z]+): )?(.*)$/gm

/**
 * Why the peer-to-peer node cannot listen, in one line. What the machine does not
 * allow now is no mistake in the options: started again later it may work.
 */
export function toListenProblem (err: unknown, listen: readonly string[], flag = '--listen'): unknown {
  const { name, message } = err as Error

  if (name !== 'UnsupportedListenAddressesError' && name !== 'UnsupportedListenAddressError') {
    return err
  }

  const reasons = [...message.matchAll(REASON)].map(([, address = '', code, text = '']) => ({ address, code, text }))
  const wrong = reasons.find(({ code }) => code == null)

  if (reasons.length === 0 || wrong != null) {
    return new InvalidOptionError(`the peer-to-peer node cannot listen on ${wrong?.address ?? listen.join(', ')}: ${wrong?.text ?? message.split('\n', 1)[0]}`, { cause: err })
  }

  return new ListenError(`libp2p: ${reasons.map(reason => why(reason, flag)).join('; ')}`, { cause: err })
}

function why ({ address, code, text }: { address: string, code?: string, text: string }, flag: string): string {
  const { host, port } = addressEndpoint(address) ?? { host: address, port: undefined }

  return code === 'EADDRINUSE'
    ? `port ${port} on ${host} is taken by another program; choose another with ${flag} MULTIADDR (port 0 takes a free one)`
    : code === 'EACCES'
      ? `port ${port} on ${host} may not be used by this user; choose one above 1023 with ${flag} MULTIADDR`
      : code === 'EADDRNOTAVAIL'
        ? `${host} is no address of this machine; name one that is with ${flag} MULTIADDR, or all of them: /ip4/0.0.0.0/tcp/${port}`
        : `cannot listen on ${address}: ${text}`
}
