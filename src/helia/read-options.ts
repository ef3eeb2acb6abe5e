import { ParsedHint } from '../provider/parsed-hint.ts'
import type { Logger } from '../interface/logger.ts'
import type { Provider, ProviderHint } from '../interface/provider.ts'
import type { RetrieveOptions } from '../interface/routing.ts'
import type { ProviderOptions } from '@helia/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'

/** What may be passed to `helia.blockstore.get` beside Helia's own options: it reaches the broker unchanged */
export interface ContentRoutingReadOptions extends Pick<RetrieveOptions, 'timeout' | 'mode' | 'priority' | 'client' | 'publisher' | 'maxBlockSize' | 'skipNegativeCache'> {
  /** `false`: this read goes to the node's own brokers, as if the node were not wrapped. @default true */
  contentRouting?: boolean
}

/** Everything that the broker and the session facade understand */
export interface ReadOptions extends ContentRoutingReadOptions, ProviderOptions {
  signal?: AbortSignal
  offline?: boolean
  /** Helia's name for `maxBlockSize` */
  maxSize?: number
  onProgress? (event: any): void // eslint-disable-line @typescript-eslint/no-explicit-any -- the events of Helia, of its brokers and of retrieval have no common supertype
}

export type HintParser = (hint: ProviderHint, source: string) => Provider

const PASSED_ON = ['signal', 'onProgress', 'timeout', 'mode', 'priority', 'client', 'publisher', 'skipNegativeCache'] as const

/**
 * The same read, as content routing is asked for it; the store is the caller's
 * affair. What was not given is left out, so that it does not hide a session's
 * own options.
 */
export function retrieveOptions (options: ReadOptions, hints: readonly ProviderHint[]): RetrieveOptions {
  const given = PASSED_ON.filter(name => options[name] != null).map(name => [name, options[name]])
  const maxBlockSize = options.maxBlockSize ?? options.maxSize

  return {
    ...Object.fromEntries(given) as RetrieveOptions,
    ...(maxBlockSize == null ? {} : { maxBlockSize }),
    ...(hints.length === 0 ? {} : { providers: hints }),
    store: false
  }
}

/**
 * Helia's provider options as hints. Helia reads on when a provider makes no
 * sense, so here too such a one is logged and left out.
 */
export function readHints (providers: ProviderOptions['providers'], parse: HintParser, log: Logger): ParsedHint[] {
  const hints: ParsedHint[] = []
  eachHint(providers, hint => { hints.push(new ParsedHint(hint, parse(hint, 'hint'))) }, log)
  return hints
}

/** The same, for somebody who reads hints: an error means that one makes no sense */
export function eachHint (providers: ProviderOptions['providers'], use: (hint: ProviderHint) => void, log: Logger): void {
  for (const hint of (providers ?? []).flatMap(provider => toHints(provider))) {
    try {
      use(hint)
    } catch (err) {
      log.error('ignoring provider %s - %e', hint, err)
    }
  }
}

function toHints (provider: CID | Multiaddr | Multiaddr[]): ProviderHint[] {
  if (!Array.isArray(provider)) {
    return [provider]
  }
  // one peer at several addresses, of which one is enough to name it
  const peer = provider.map(peerOf).find(peer => peer != null)
  return provider.map(address => peer == null || peerOf(address) != null ? address : address.encapsulate(`/p2p/${peer}`))
}

function peerOf (address: Multiaddr): string | undefined {
  return address.getComponents().find(component => component.name === 'p2p')?.value
}
