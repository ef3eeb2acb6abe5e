import type { Multiaddr } from '@multiformats/multiaddr'

/** From what is built on others to what others are built on */
const TRANSPORTS = ['webrtc', 'webrtc-direct', 'webtransport', 'quic-v1', 'quic', 'wss', 'ws', 'http', 'https', 'tcp', 'unix', 'memory', 'udp'] as const

/** How an address is reached: `circuit` over a relay, otherwise its outermost transport */
export function transportName (address: Multiaddr): string {
  const names = new Set(address.getComponents().map(({ name }) => name))

  if (names.has('webrtc')) {
    return 'webrtc'
  }
  if (names.has('p2p-circuit')) {
    return 'circuit'
  }
  if (names.has('tls') && names.has('ws')) {
    return 'wss'
  }
  return TRANSPORTS.find(name => names.has(name)) ?? 'unknown'
}
