/** Names under which only this machine reaches itself */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * Whether a Host header is one of ours. A page on the web whose name is made to
 * point to this machine ("DNS rebinding") still sends its own name here.
 */
export function isOwnHost (header: string | undefined, allowed: readonly string[]): boolean {
  const host = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase()
  return host != null && (LOOPBACK.test(host) || allowed.includes(host))
}
