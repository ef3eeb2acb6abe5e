import { aboutContent } from './measures.ts'
import { AGAINST_CLASS } from './mitigation.ts'
import type { Mitigation } from './mitigation.ts'
import type { View } from './view.ts'
import type { PrivacyMode } from '../../interface/disclosure.ts'
import type { PrivacySwitches } from '../../interface/privacy-preset.ts'
import type { Exposure, ObserverClass, Risk } from '../../interface/privacy.ts'

/**
 * What is analysed, as far as it decides which advice can be followed.
 *
 * - `portolan`: a node of `createPortolan`, with all the options that it has
 * - `routing`: content routing on a libp2p node that somebody else put together
 * - `libp2p`: no content routing at all
 */
export type AnalyzedNode =
  | { readonly kind: 'portolan', readonly mode: PrivacyMode, readonly switches: PrivacySwitches, readonly own?: ReadonlySet<string> }
  | { readonly kind: 'routing', readonly mode: PrivacyMode }
  | { readonly kind: 'libp2p' }

/** As far as it can be told by what was observed: whoever has no ledger asks for nothing, and exposures say their mode */
export function nodeOf ({ accounted, exposures }: View): AnalyzedNode {
  return accounted ? { kind: 'routing', mode: exposures.at(-1)?.mode ?? 'open' } : { kind: 'libp2p' }
}

/** The risk with advice that this node can follow: no option that it has not, and none that is set already */
export function advised (risk: Risk, view: View, node: AnalyzedNode, named: ReadonlySet<string>): Risk {
  return { ...risk, ...adviceFor(risk, view, node, named) }
}

function adviceFor (risk: Risk, view: View, node: AnalyzedNode, named: ReadonlySet<string>): Partial<Mitigation> {
  switch (risk.kind) {
    case 'small-anonymity-set': return risk.observerClass === 'network' || aboutContent(view.exposures).length === 0
      ? ofConnections(node, view)
      : ofClass(risk.observerClass, view, node, named)
    case 'third-party-exposure':
    case 'co-request-linkage': return risk.observerClass === 'network' ? {} : ofClass(risk.observerClass, view, node, named)
    case 'timing-correlation':
    case 'periodic-traffic':
    case 'burst-traffic': return ofTimes(risk, node)
    case 'session-linkability': return risk.id === 'session-linkability:peer-id' ? ofSessions(node, view) : {}
    case 'agent-fingerprint': return ofAgent(risk, node)
    case 'protocol-fingerprint': return isOfOthers(risk) ? THEIRS : {}
    case 'unaccounted-requests': return risk.id === 'unaccounted-requests:spans' ? ROUTING_OFF : ofForeign(view, node)
    case 'announce-exposure': return {}
  }
}

function ofClass (observerClass: ObserverClass, view: View, node: AnalyzedNode, named: ReadonlySet<string>): Partial<Mitigation> {
  const theirs = aboutContent(view.exposures).filter(exposure => exposure.observerClass === observerClass)
  const usual = AGAINST_CLASS[observerClass]

  switch (observerClass) {
    case 'gateway': return theirs.every(({ observer }) => named.has(observer)) ? NAMED_HOSTS : stricter(theirs, node, usual, NAMED_HOSTS)
    case 'router': return theirs.every(({ observer }) => isOwn(observer, node)) ? OWN_ROUTERS : usual
    case 'dht': return stricter(theirs, node, usual, STRICT_LOOKUPS)
    case 'dns': return stricter(theirs, node, usual, NAMES)
    case 'foreign': return ofForeign(view, node)
    default: return usual
  }
}

/** Mode `strict`, unless that is what there is already, or was, and somebody asked for another one */
function stricter (exposures: readonly Exposure[], node: AnalyzedNode, usual: Mitigation, otherwise: Mitigation): Mitigation {
  if (modeOf(node) !== 'strict') {
    return usual
  }
  return exposures.some(({ mode }) => mode !== 'strict') ? OTHER_MODE : otherwise
}

function modeOf (node: AnalyzedNode): PrivacyMode | undefined {
  return node.kind === 'libp2p' ? undefined : node.mode
}

/** In mode `strict` no other is asked */
function isOwn (observer: string, node: AnalyzedNode): boolean {
  return modeOf(node) === 'strict' || (node.kind === 'portolan' && node.own?.has(observer) === true)
}

function ofForeign ({ exposures }: View, node: AnalyzedNode): Mitigation {
  const foreign = exposures.filter(({ observerClass, audience }) => observerClass === 'foreign' || audience === 'unbounded')
  return modeOf(node) === 'open' || foreign.every(({ mode }) => mode === 'open') ? AGAINST_CLASS.foreign : TRUSTED
}

function ofConnections (node: AnalyzedNode, { accounted }: View): Mitigation {
  return node.kind === 'portolan'
    ? { recommendation: `Connect only to peers that are needed${accounted ? '' : ', and leave the ledger on to learn what they were asked for'}.`, mitigation: 'libp2p.maxConnections' }
    : { recommendation: 'Connect only to peers that are needed: each of them knows this peer id, and when it is there.', mitigation: 'connectionManager.maxConnections of libp2p' }
}

function ofTimes ({ kind }: Risk, node: AnalyzedNode): Partial<Mitigation> {
  if (node.kind === 'libp2p') {
    return APPLICATION
  }
  if (modeOf(node) !== 'strict') {
    return {}
  }
  return kind === 'burst-traffic' ? CACHED : STRICT_TIMES
}

/** An identity for lookups helps where servers of the DHT were asked under the node's own */
function ofSessions (node: AnalyzedNode, { exposures }: View): Partial<Mitigation> {
  if (node.kind === 'portolan') {
    return node.switches.lookupIdentity === 'separate' || !exposures.some(({ observerClass }) => observerClass === 'dht') ? NEW_IDENTITY : {}
  }
  return { ...NEW_IDENTITY, mitigation: 'privateKey of libp2p' }
}

function ofAgent (risk: Risk, node: AnalyzedNode): Partial<Mitigation> {
  if (isOfOthers(risk)) {
    return THEIRS
  }
  if (node.kind === 'portolan') {
    return node.switches.agent === 'common' ? COMMON_ALREADY : {}
  }
  return { mitigation: 'nodeInfo.userAgent of libp2p' }
}

function isOfOthers ({ id, kind }: Risk): boolean {
  return id !== `${kind}:self`
}

const NAMED_HOSTS: Mitigation = {
  recommendation: 'Only hosts that you named were asked. Keep more in the cache, for a hit tells nobody; serve several clients with one node; leave out a host that is not yours.',
  mitigation: 'cache.size'
}
const OWN_ROUTERS: Mitigation = {
  recommendation: 'Only routers of your own were asked. Name providers, so that none has to be looked up; keep more in the cache.',
  mitigation: 'routing.providers'
}
const STRICT_LOOKUPS: Mitigation = {
  recommendation: 'Lookups have an identity of their own already, and leave together. Name providers, so that none has to be looked up.',
  mitigation: 'routing.providers'
}
const NAMES: Mitigation = {
  recommendation: 'Only hosts of your own are asked already: name them by address, so that no name has to be looked up.',
  mitigation: 'routing.providers'
}
const OTHER_MODE: Mitigation = {
  recommendation: 'The node is in mode strict, and some of its reads asked for another one: leave out their own mode.',
  mitigation: 'none'
}
const TRUSTED: Mitigation = {
  recommendation: 'It was named as trusted, or added to the node beside it: leave out of trustedBrokers and trustedRouters whose audience is not known.',
  mitigation: 'none'
}
const ROUTING_OFF: Mitigation = {
  recommendation: 'Switch content routing on again: while it is off, or reads go past it, those brokers that were there before ask whom they like.',
  mitigation: 'none'
}
const APPLICATION: Mitigation = {
  recommendation: 'Let messages of the application leave with jitter and in batches, and give its timers a jitter of their own length: nothing in libp2p does that.',
  mitigation: 'none'
}
const STRICT_TIMES: Mitigation = {
  recommendation: 'One provider is asked at a time already, and lookups leave together. Let the readers themselves come with jitter; what is in the cache asks nobody.',
  mitigation: 'cache.size'
}
const CACHED: Mitigation = {
  recommendation: 'One provider is asked at a time already, and lookups leave together. A larger cache makes bursts smaller.',
  mitigation: 'cache.size'
}
const NEW_IDENTITY: Mitigation = {
  recommendation: 'A peer id is what peers know each other by: connect to fewer, and begin with a new one where nothing depends on being known.',
  mitigation: 'none'
}
const COMMON_ALREADY: Mitigation = {
  recommendation: 'It is what all nodes of Portolan tell already, and few of those were met: who it is cannot be told from it, only what it runs.',
  mitigation: 'none'
}
const THEIRS: Mitigation = {
  recommendation: 'What others tell is theirs to change: it says how well they can be recognised, and not this node.',
  mitigation: 'none'
}
