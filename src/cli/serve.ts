import { parseCID } from '../block/cid.ts'
import { StoreLockedError } from '../config/errors.ts'
import { checkPorts, unaskable } from '../config/meaning.ts'
import { toStoreError } from '../config/store-problem.ts'
import { Control } from '../gateway/control.ts'
import { Gateway } from '../gateway/gateway.ts'
import { MetricRegistry } from '../gateway/metric-registry.ts'
import { banner } from './banner.ts'
import { recordCacheSize } from './cache-size.ts'
import { isOwnNode } from './control-egress.ts'
import { readControl, removeControl, writeControl } from './control-file.ts'
import { watchDHT } from './dht-watch.ts'
import { EXIT_OK } from './exit-code.ts'
import { operatorLog } from './logger.ts'
import { nodeReports } from './node-reports.ts'
import { ownNodeDisclosure } from './own-request.ts'
import { readingDigests } from './reading-options.ts'
import { startNode } from './start-node.ts'
import { watchStore } from './store-watch.ts'
import { painter } from './style.ts'
import { unixfsFiles } from './unixfs-files.ts'
import { version } from './version.ts'
import { exposureReport } from '../privacy/ledger/exposure-report.ts'
import type { CommandContext } from './command.ts'
import type { CacheTools } from '../gateway/cache-control.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { LogLevel } from './logger.ts'
import type { NodeReports } from './node-reports.ts'
import type { Portolan, PortolanInit } from '../portolan.ts'
import type { StoryOfRead } from '../privacy/ledger/exposure-report.ts'

/** Runs a node until the context's signal aborts */
export async function serve (context: CommandContext): Promise<number> {
  const { config, environment, stderr, signal, clock } = context
  const log = operatorLog(config.values['log.level'] as LogLevel, stderr)
  config.warnings.forEach(warning => { log.warn(warning) })
  checkPorts(config)

  const metrics = new MetricRegistry()
  // Helia's type asks for all of libp2p's metrics; the registry has what is used of them
  const node = await startOnly(context, { metrics: metrics as unknown as PortolanInit['metrics'] })
  unaskable(config).forEach(warning => { log.warn(warning) })
  const stopWatch = watchStore({ directory: config.store, clock, failures: () => node.contentRouting.stats().cache.storeFailures + (node.cache?.stats().skippedWrites ?? 0), health: () => node.cache?.health() ?? { state: 'ok' }, warn: text => { log.warn(text) } })
  const stopDHTWatch = watchDHT({ protocol: config.values['libp2p.dhtProtocol'], named: config.values['libp2p.bootstrap'], clock, joining: () => node.discovery?.stats().joining, warn: text => { log.warn(text) }, info: text => { log.info(text) } })

  try {
    const reports = await nodeReports(context, node, { log })
    const { gateway, control } = servers(context, node, { metrics, reports })
    try {
      const { url } = await gateway.start()
      const address = await control.start()
      reports.monitor.start()
      if (node.cache != null) {
        await recordCacheSize(config.store, node.cache.stats().maxBytes)
      }
      await writeControl(config.store, { url: address.url, gateway: url, pid: process.pid, reading: readingDigests(config) }, control.token)
      log.info(banner({ version: version(), gateway: url, control: address.url, config, node }, painter(stderr, environment)))

      await aborted(signal)
      log.info('stopping ...')
    } catch (err) {
      throw toStoreError(err, config.store)
    } finally {
      await Promise.all([gateway.stop(), control.stop(), reports.monitor.stop(), removeControl(config.store)])
    }
  } finally {
    stopWatch()
    stopDHTWatch()
    await node.stop()
  }
  log.info('stopped')
  return EXIT_OK
}

/** Starts the node; where another one has the store, says which */
async function startOnly (context: CommandContext, init: PortolanInit): Promise<Portolan> {
  const { config, signal, clock } = context
  try {
    return await startNode(context, init)
  } catch (err) {
    if (!(err instanceof StoreLockedError)) {
      throw err
    }
    const other = await readControl(config.store)
    const who = other == null || !await isOwnNode(other, ownNodeDisclosure(signal, 'none'), { signal, clock }) ? '' : `: a node (process ${other.record.pid}) serves it at ${other.record.gateway}`
    throw new StoreLockedError(`${err.message}${who}; stop that one, or choose another directory with --store DIR`, { cause: err })
  }
}

function servers ({ config, clock }: CommandContext, node: Portolan, { metrics, reports }: { metrics: MetricRegistry, reports: NodeReports }): { gateway: Gateway, control: Control } {
  const { values } = config
  const { logger } = node.helia
  const common = { contentRouting: node.contentRouting, files: unixfsFiles, parseCID: (text: string) => parseCID(text), clock, logger, metrics }
  const gateway = new Gateway({ ...common, store: node.store }, {
    host: values['gateway.host'],
    port: values['gateway.port'],
    maxRequests: values['gateway.maxRequests'],
    maxClientRequests: values['gateway.maxClientRequests'],
    allowedHosts: values['gateway.allowedHosts'],
    maxUrlLength: values['gateway.maxUrlLength'],
    requestTimeout: values['gateway.requestTimeout'],
    stallTimeout: values['gateway.stallTimeout'],
    maxDirectoryEntries: values['gateway.maxDirectoryEntries'],
    readAhead: values['gateway.readAhead']
  })
  metrics.calculate('portolan_gateway_requests_active', 'Requests being answered', () => gateway.active)
  metrics.calculate('portolan_libp2p_connections', 'Peer-to-peer connections', () => node.libp2p.getConnections().length)
  metrics.calculate('portolan_block_hashes_total', 'Hashes computed over blocks', () => node.verifier.hashed)

  const { ledger } = node.privacy
  const control = new Control({
    ...common,
    cache: node.cache == null ? undefined : withWelcome(node.cache, gateway),
    ...ledger == null ? {} : { privacy: (cid, story) => exposureReport(cid, ledger, story as StoryOfRead) },
    announce: { has: async cid => node.store.has(cid), stats: () => node.discovery?.stats().announcements },
    privacyReports: reports.service,
    ready: () => node.status === 'started' && gateway.address != null,
    stats: () => ({ routing: node.contentRouting.stats(), gateway: { url: gateway.address?.url, active: gateway.active }, cache: node.cache == null ? undefined : { ...node.cache.stats(), health: node.cache.health() }, discovery: node.discovery?.stats(), contacts: node.contacts, peer: node.libp2p.peerId.toString() })
  }, { host: values['control.host'], port: values['control.port'], allowedHosts: values['control.allowedHosts'] })

  return { gateway, control }
}

/** What an operator drops is not what the gateway shows */
function withWelcome (cache: BlockCache, gateway: Gateway): CacheTools {
  return {
    stats: () => cache.stats(),
    health: () => cache.health(),
    ls: options => cache.ls(options),
    verify: options => cache.verify(options),
    gc: async options => cache.gc(options),
    clear: async options => {
      try {
        return await cache.clear(options)
      } finally {
        // some of it is gone, however far it came
        if (options?.authored === true) {
          await gateway.restoreWelcome()
        }
      }
    }
  }
}

/** Resolves at the first Ctrl-C; keeps the process alive only through the servers that run meanwhile */
async function aborted (signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise<void>(resolve => { signal.addEventListener('abort', () => { resolve() }, { once: true }) })
  }
}
