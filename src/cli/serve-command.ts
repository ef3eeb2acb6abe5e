import type { Command } from './command.ts'

/** `portolan serve` */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'Run a node: a gateway for browsers and curl, with a cache',
  minArguments: 0,
  maxArguments: 0,
  description: `Runs a node until Ctrl-C (a second one forces it). Files are at http://127.0.0.1:8480/ipfs/CID, a
welcome at /. Nobody is contacted who is not named here or in the configuration.`,
  examples: [
    'portolan serve --provider https://gateway.example',
    'portolan serve --port 0 --control-port 0 --store ./store',
    'portolan serve --listen /ip4/0.0.0.0/tcp/4480 --serve everyone',
    'portolan serve --listen /ip4/10.1.0.5/tcp/4480 --serve everyone --dht-server --dht-protocol /my-network/kad/1.0.0'
  ],
  options: [
    'gateway.port', 'gateway.host', 'store.path', 'cache.size', 'cache.memory', 'cache.clientShare', 'sharedCache.url', 'routing.providers', 'routing.routers', 'routing.ownRouters', 'routing.allowAddresses', 'routing.mode', 'privacy.hedges', 'privacy.lookupIdentity', 'privacy.lookupDelay', 'privacy.agent', 'privacy.privateAddresses', 'privacy.checkInterval', 'privacy.riskThreshold', 'routing.timeout',
    'block.maxSize', 'block.allowSha1', 'exchange.serve', 'exchange.allowPeers', 'exchange.announce', 'exchange.siblings', 'exchange.askConnected', 'libp2p.listen', 'libp2p.bootstrap', 'libp2p.dhtProtocol', 'libp2p.dhtServer', 'ledger.enabled', 'ledger.raw', 'ledger.allow', 'control.port', 'control.host', 'log.level'
  ],

  async run (context) {
    // a whole node takes a second to load: --help and mistakes need none of it
    return await (await import('./serve.ts')).serve(context)
  }
}
