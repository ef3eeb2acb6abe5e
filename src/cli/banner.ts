import { isLoopbackAddress } from '../gateway/host-check.ts'
import { formatBytes } from '../gateway/html.ts'
import type { painter } from './style.ts'
import type { ReadConfig } from '../config/file.ts'
import type { Portolan } from '../portolan.ts'

export interface BannerInit {
  readonly version: string
  readonly gateway: string
  readonly control: string
  readonly config: ReadConfig
  readonly node: Pick<Portolan, 'cache' | 'contacts' | 'contentRouting' | 'libp2p'>
}

/** Names shown before "and N more" */
const SHOWN = 5

/** What an operator wants to know of a node that has just started */
export function banner ({ version, gateway, control, config, node }: BannerInit, paint: ReturnType<typeof painter>): string {
  const { values } = config
  const listening = node.libp2p.getMultiaddrs().map(String)
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['gateway', `${paint('cyan', `${gateway}/`)}`],
    ['control', control],
    ['store', config.store],
    ...node.cache == null ? [] : [['', `blocks take at most ${formatBytes(node.cache.stats().maxBytes)} there: --cache-size`] as const],
    ...config.file == null ? [] : [['config', config.file] as const],
    ['identity', node.libp2p.peerId.toString()],
    ['swarm', listening.length === 0 ? 'not listening' : list(listening)],
    ...values['libp2p.bootstrap'].length === 0 && !values['libp2p.dhtServer'] ? [] : [['dht', `${values['libp2p.dhtServer'] ? 'server' : 'client'} of ${values['libp2p.dhtProtocol']}`] as const],
    ['serves', serves(values['exchange.serve'], values['exchange.bitswap'], listening.length > 0)],
    ...values['exchange.announce'] === 'none' ? [] : [['announces', ANNOUNCED[values['exchange.announce']] ?? values['exchange.announce']] as const],
    ['mode', mode(node)],
    ['contacts', node.contacts.length === 0 ? 'nobody: name providers with --provider URL' : list(node.contacts)]
  ]
  const open = [values['gateway.host'], values['control.host']].filter(host => !isLoopbackAddress(host))

  return [
    '',
    `${paint('bold', 'Portolan')} ${version}`,
    '',
    ...rows.map(([name, text]) => `  ${paint('dim', name.padEnd(9))} ${text}`),
    '',
    ...open.length === 0 ? [] : [`  Other machines can reach this node: it listens on ${open.join(' and ')}.`, ''],
    '  Ctrl-C stops it.',
    ''
  ].join('\n')
}

/** The mode, and where the node differs from it */
function mode ({ contentRouting }: BannerInit['node']): string {
  const { name = 'open', overrides = {} } = contentRouting.stats().mode ?? {}
  const otherwise = Object.entries(overrides).map(([key, value]) => `${key} ${String(value)}`)
  return otherwise.length === 0 ? name : `${name}, but ${otherwise.join(', ')}`
}

const SERVED: Readonly<Record<string, string>> = {
  none: 'nobody over bitswap',
  'allow-list': 'the peers of exchange.allowPeers',
  peers: 'peers that it was told of or dialled',
  everyone: 'everyone over bitswap'
}

const ANNOUNCED: Readonly<Record<string, string>> = {
  roots: 'the roots of pins, every 22 h',
  pinned: 'every block that is pinned, every 22 h',
  all: 'every block that is pinned or was put here, every 22 h'
}

function serves (who: string, bitswap: boolean, listening: boolean): string {
  if (!bitswap) {
    return 'nobody: exchange.bitswap is off'
  }
  const unreachable = who !== 'none' && !listening
  return `${SERVED[who] ?? who}${unreachable ? ', but only those that it dials itself: it listens nowhere (--listen MULTIADDR)' : ''}`
}

function list (names: readonly string[]): string {
  const more = names.length - SHOWN
  return names.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
