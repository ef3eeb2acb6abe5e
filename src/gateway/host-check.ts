/** Names under which only this machine reaches itself */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
/** Browsers resolve these to loopback by themselves (RFC 6761), so nobody else can give them another address */
const BELOW_LOCALHOST = /^(?:[a-z0-9_-]{1,63}\.)+localhost$/

/** Whether an address to listen on is reached from this machine alone */
export function isLoopbackAddress (address: string): boolean {
  return LOOPBACK.test(bracketed(address))
}

/**
 * Whether a Host header is one of ours. A page on the web whose name is made to
 * point to this machine ("DNS rebinding") still sends its own name here.
 */
export function isOwnHost (header: string | undefined, allowed: readonly string[]): boolean {
  const host = hostName(header)
  return host != null && (LOOPBACK.test(host) || allowed.includes(host))
}

/**
 * The check of a gateway: one that only this machine reaches, or one that was
 * told its names, answers to its own names; one that was opened to other
 * machines answers to any. A request without the header names nobody, and no
 * browser sends it.
 */
export function gatewayHostCheck (listen: string, allowedHosts: readonly string[] = []): (header: string | undefined) => boolean {
  if (!isLoopbackAddress(listen) && allowedHosts.length === 0) {
    return () => true
  }
  const allowed = ownNames(listen, allowedHosts)
  return header => header == null || isOwnHost(header, allowed) || BELOW_LOCALHOST.test(hostName(header) ?? '')
}

/** The names beside loopback, as a Host header has them */
export function ownNames (listen: string, allowedHosts: readonly string[] = []): readonly string[] {
  return [listen, ...allowedHosts].map(name => bracketed(name).toLowerCase())
}

/** Without port and the dot of a fully qualified name */
function hostName (header: string | undefined): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[^:[\]]+?)\.?(?::\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase()
}

function bracketed (host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
