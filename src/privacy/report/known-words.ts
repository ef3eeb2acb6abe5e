import { OBSERVER_CLASSES, RISK_KINDS, RISK_LABELS, TIMING_TESTS } from '../../interface/privacy.ts'

/** What the analyzer says of its own accord, from where that is declared: these point at nobody */
const LABELS: readonly string[] = [...OBSERVER_CLASSES, ...RISK_KINDS, ...RISK_LABELS, ...TIMING_TESTS, 'network', 'low', 'medium', 'high', 'critical', 'none']

/** The kinds of names that observers have, and of transports: what stands before the part that names somebody */
const KINDS: readonly string[] = [
  'p2p', 'http', 'https', 'router', 'party', 'broker', 'webhook', 'bitswap', 'delegated', 'redis', 'rediss',
  'tcp', 'ws', 'wss', 'tls', 'quic', 'quic-v1', 'udp', 'webrtc', 'webrtc-direct', 'webtransport', 'circuit', 'p2p-circuit', 'memory', 'unix', 'unknown'
]

/** What formats of one's own have as evidence more often than not */
const PLAIN: readonly string[] = ['inbound', 'outbound', 'both', 'sent', 'not-sent', 'received', 'intended', 'real', 'simulated', 'exact', 'sampled', 'open', 'balanced', 'strict', 'yes', 'no', 'true', 'false']

const WORDS: ReadonlySet<string> = new Set([...LABELS, ...KINDS, ...PLAIN])

/** As detectors name their evidence, in code: letters, and one short number at most. No id of anybody looks like it */
const KEY = /^(?=.{1,40}$)[a-z][A-Za-z]*(?:\d{1,2}[A-Za-z]*)?$/

/** Protocols that whole networks speak, so that they point at nobody; what could be an address is no version */
const PROTOCOL = /^\/(?:ipfs|libp2p|meshsub|floodsub|noise|tls|yamux|mplex|multistream|webrtc|sbptp)(?:\/(?:bitswap|id|push|kad|lan|ping|autonat|dcutr|circuit|relay|fetch|identify|hop|stop|dial-request|dial-back|perf|http))*(?:\/v?\d{1,2}(?:\.\d{1,3}){0,2})?$/

/** Programs that many run; a version of three numbers is shared by all who use it */
const AGENT = /^(?:portolan|helia|js-libp2p|node|browser|kubo|go-ipfs|boxo|go-libp2p|rust-libp2p|rainbow|someguy|lotus|iroh)(?:\/v?\d{1,2}(?:\.\d{1,3}){0,2})?$/

const NUMBER = /^[+-]?\d{1,15}(?:\.\d{1,9})?(?:ms|s|%|x)?$/

/** Whether it is the name of a figure, which shows what was counted and not whom */
export function isKey (text: string): boolean {
  return KEY.test(text)
}

/** Whether a word is one of a closed set, so that showing it tells nothing about anybody */
export function isKnownWord (word: string): boolean {
  return NUMBER.test(word) || isKnownName(word)
}

/** The same of what others may have written: their numbers are whatever they want to be read, such as an address in four words */
export function isKnownName (word: string): boolean {
  return WORDS.has(word) || PROTOCOL.test(word) || AGENT.test(word)
}
