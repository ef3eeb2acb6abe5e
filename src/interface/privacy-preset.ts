import type { PrivacyMode } from './disclosure.ts'

/**
 * What a mode of privacy sets: whatever asks for the mode reads it here, and
 * docs/privacy-model.md prints it. `named` is whom the operator named in the
 * options, `trusted` which code.
 */
export interface PrivacySwitches {
  /** Brokers that the node had: asked, and told of blocks that came */
  readonly brokers: 'all' | 'trusted'
  /** Whether peers that happen to be connected may be asked for a block that nobody is known to have */
  readonly connectedPeers: boolean
  /** Routers that the node had */
  readonly nodeRouters: 'all' | 'trusted'
  /** Of those, the ones of last resort: gateways that may have everything */
  readonly fallbackRouters: 'all' | 'trusted'
  /** Routers over HTTP (`routers`): all that were named, or those that were named as one's own */
  readonly httpRouters: 'named' | 'own'
  /** HTTP hosts that may be asked for a block: whoever is named as its provider, or those of the options */
  readonly httpHosts: 'any' | 'own'
  /** Relays through which a peer may be reached */
  readonly relays: 'any' | 'named'
  /** Whether a relayed connection may be made direct (DCUtR), which tells the other side all our addresses */
  readonly holePunching: boolean
  /** Whether a second provider is asked while the first is slow */
  readonly hedges: boolean
  /** Whether one is asked now and then only to measure it */
  readonly measurements: boolean
  /** Whether those are asked who delivered what is related, by the same publisher or beside it */
  readonly related: boolean
  /** Under which identity the DHT is asked: the node's own, or one that lives for the lookup */
  readonly lookupIdentity: 'node' | 'separate'
  /** Milliseconds for which a lookup may wait to leave together with others. 0: at once */
  readonly lookupDelay: number
  /** Whether a lookup goes on for a moment when its block has come: more providers of the same DAG are worth that, and those who are asked meanwhile learn of it */
  readonly lookupLinger: boolean
  /** Whether the peer routers of the node are asked where a provider is */
  readonly peerRouters: boolean
  /** Whose addresses are tried without a read: of anybody who is named as a provider, of who delivered before, of whom the operator named */
  readonly probes: 'anybody' | 'delivered' | 'named'
  /** What peers are told by identify: libp2p's own text with versions and platform, or the one that all nodes of ours share */
  readonly agent: 'full' | 'common'
  /** Whether private addresses are told to others where there are public ones, or in a public network */
  readonly privateAddresses: boolean
}

/** One text for every node of every version: who sends it is one of them, and nothing more can be told from it */
export const COMMON_AGENT = 'portolan'

/**
 * Milliseconds. Reads of one page begin within a few hundred of each other, and
 * leave together; a lookup of the DHT takes as long by itself, so that a strict
 * one takes about twice its time.
 */
export const STRICT_LOOKUP_DELAY = 1_000

const OPEN: PrivacySwitches = {
  brokers: 'all',
  connectedPeers: true,
  nodeRouters: 'all',
  fallbackRouters: 'all',
  httpRouters: 'named',
  httpHosts: 'any',
  relays: 'any',
  holePunching: true,
  hedges: true,
  measurements: true,
  related: true,
  lookupIdentity: 'node',
  lookupDelay: 0,
  lookupLinger: true,
  peerRouters: true,
  probes: 'anybody',
  agent: 'full',
  privateAddresses: true
}

const BALANCED: PrivacySwitches = {
  ...OPEN,
  brokers: 'trusted',
  connectedPeers: false,
  fallbackRouters: 'trusted',
  measurements: false,
  probes: 'delivered',
  agent: 'common',
  privateAddresses: false
}

const STRICT: PrivacySwitches = {
  ...BALANCED,
  nodeRouters: 'trusted',
  httpRouters: 'own',
  httpHosts: 'own',
  relays: 'named',
  holePunching: false,
  hedges: false,
  related: false,
  lookupIdentity: 'separate',
  lookupDelay: STRICT_LOOKUP_DELAY,
  lookupLinger: false,
  peerRouters: false,
  probes: 'named'
}

export const PRIVACY_PRESETS: Readonly<Record<PrivacyMode, PrivacySwitches>> = Object.freeze({
  open: Object.freeze(OPEN),
  balanced: Object.freeze(BALANCED),
  strict: Object.freeze(STRICT)
})

/** Switches that one may set apart from the mode. The others are set by naming somebody: a broker, a router, a host, a relay. */
export type PrivacyOverrides = Partial<Pick<PrivacySwitches, 'hedges' | 'lookupIdentity' | 'lookupDelay' | 'agent' | 'privateAddresses'>>

export type SwitchesOf = (mode: PrivacyMode) => PrivacySwitches

export const presetOf: SwitchesOf = mode => PRIVACY_PRESETS[mode]

/** The switches of a node that was made with this mode. What it overrides holds for it: a single read in another mode has that as it is. */
export function switchesOf (own: PrivacyMode, overrides: PrivacyOverrides = {}): SwitchesOf {
  const given = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined))
  const switches = Object.freeze({ ...PRIVACY_PRESETS[own], ...given })

  return mode => mode === own ? switches : PRIVACY_PRESETS[mode]
}

/** The mode of a node, and what it has otherwise */
export interface ModeStats {
  readonly name: PrivacyMode
  /** Switches that differ from the mode */
  readonly overrides: PrivacyOverrides
}

export function modeStats (name: PrivacyMode, overrides: PrivacyOverrides = {}): ModeStats {
  const preset = PRIVACY_PRESETS[name]
  return { name, overrides: Object.fromEntries(Object.entries(overrides).filter(([key, value]) => value !== undefined && value !== preset[key as keyof PrivacyOverrides])) }
}
