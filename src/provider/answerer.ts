import type { ProviderId, Route } from '../interface/provider.ts'

const HTTP_ORIGIN = /^(https?):\/\/([^/?#]+)/i

/**
 * Who answers for what comes by a route. Over libp2p the handshake proves the peer,
 * and a broker is itself. Over HTTP nothing proves whose server it is: a record may
 * name anybody's peer id beside it. So there the origin answers, for itself alone and
 * under whatever names it was found.
 */
export function answererOf ({ provider, address }: Pick<Route, 'provider' | 'address'>): ProviderId {
  const [, scheme, host] = HTTP_ORIGIN.exec(address ?? '') ?? []
  return scheme == null || host == null ? provider : `${scheme.toLowerCase() as 'http' | 'https'}:${host.toLowerCase()}`
}
