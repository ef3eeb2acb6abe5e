import { OBSERVER_CLASSES, RISK_KINDS } from '../../interface/privacy.ts'

/** What the analyzer says of its own accord: these point at nobody */
const WORDS: ReadonlySet<string> = new Set<string>([
  ...OBSERVER_CLASSES, ...RISK_KINDS, 'network', 'low', 'medium', 'high', 'critical', 'none',
  'real', 'simulated', 'exact', 'sampled', 'open', 'balanced', 'strict', 'inbound', 'outbound', 'both',
  'cid', 'multihash', 'prefix', 'hostname', 'one', 'many', 'unbounded', 'intended', 'sent', 'not-sent', 'unknown', 'received',
  'read', 'prefetch', 'announce', 'probe', 'shadow', 'serve', 'join', 'stream', 'close', 'p2p', 'http', 'https', 'router', 'party', 'broker',
  'bitswap', 'delegated', 'webhook', 'tcp', 'ws', 'wss', 'tls', 'quic', 'quic-v1', 'webrtc', 'webrtc-direct', 'webtransport', 'circuit', 'p2p-circuit', 'memory', 'unix', 'udp', 'redis', 'rediss', 'connections', 'peers', 'self', 'agent', 'protocols',
  'pearson', 'spearman', 'bytes', 'counts', 'moments', 'intervals', 'opens', 'streams', 'true', 'false', 'yes', 'no', 'of', 'and', 'ms', 's', '%'
])

/** Protocols that whole networks speak, so that they point at nobody */
const PROTOCOL = /^\/(?:ipfs|libp2p|meshsub|floodsub|noise|tls|yamux|mplex|multistream|webrtc|sbptp)(?:\/(?:bitswap|id|push|kad|lan|ping|autonat|dcutr|circuit|relay|fetch|identify|hop|stop|dial-request|dial-back|perf|http))*(?:\/v?\d{1,3}(?:\.\d{1,3}){0,3})?$/

/** Programs that many run; a version of three numbers is shared by all who use it */
const AGENT = /^(?:portolan|helia|js-libp2p|node|browser|kubo|go-ipfs|boxo|go-libp2p|rust-libp2p|rainbow|someguy|lotus|iroh)(?:\/v?\d{1,4}(?:\.\d{1,4}){0,2})?$/

const NUMBER = /^[+-]?\d{1,15}(?:\.\d{1,9})?(?:ms|s|%|x)?$/

/** Whether a word is one of a closed set, so that showing it tells nothing about anybody */
export function isKnownWord (word: string): boolean {
  return WORDS.has(word) || NUMBER.test(word) || PROTOCOL.test(word) || AGENT.test(word)
}
