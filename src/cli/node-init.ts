import { componentLogger } from './logger.ts'
import { ledgerFrom } from '../config/ledger-schema.ts'
import { servePolicy } from '../config/meaning.ts'
import { privacyOverrides } from '../config/privacy-options.ts'
import { sharedCache } from '../config/shared-cache.ts'
import type { LogLevel } from './logger.ts'
import type { ReadConfig } from '../config/file.ts'
import type { PortolanInit } from '../portolan.ts'

/** The options of a node as the configuration has them */
export function nodeInit (config: ReadConfig, environment: Readonly<Record<string, string | undefined>>): PortolanInit {
  const { values } = config

  return {
    store: config.store,
    maxBytes: values['cache.size'] === 0 ? undefined : values['cache.size'],
    memoryBytes: values['cache.memory'],
    shares: values['cache.clientShare'] === 100 ? undefined : { maxShare: values['cache.clientShare'] / 100 },
    sharedCache: sharedCache(config),
    mode: values['routing.mode'] as PortolanInit['mode'],
    privacy: privacyOverrides(values),
    providers: values['routing.providers'],
    routers: [...values['routing.routers'], ...values['routing.ownRouters'].map(url => ({ url, own: true }))],
    allowAddresses: values['routing.allowAddresses'],
    timeout: values['routing.timeout'],
    maxBlockSize: values['block.maxSize'],
    allowSha1: values['block.allowSha1'],
    bitswap: values['exchange.bitswap'] ? 'own' : 'off',
    serve: servePolicy(values),
    announce: values['exchange.announce'] as PortolanInit['announce'],
    askConnected: values['exchange.askConnected'],
    siblings: values['exchange.siblings'],
    leases: { maxPeers: values['exchange.maxPeers'], idleTimeout: values['exchange.idleTimeout'] },
    ledger: ledgerFrom(values),
    listen: values['libp2p.listen'],
    bootstrap: values['libp2p.bootstrap'],
    dhtProtocol: values['libp2p.dhtProtocol'],
    dhtServer: values['libp2p.dhtServer'],
    maxConnections: values['libp2p.maxConnections'],
    logger: componentLogger(values['log.level'] as LogLevel, environment)
  }
}
