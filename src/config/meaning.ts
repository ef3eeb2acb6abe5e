import { mayServe } from '../exchange/bitswap/server/policy.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { addressPolicy } from '../provider/address.ts'
import { toProvider } from '../provider/provider.ts'
import { libp2pOptions } from './libp2p-options.ts'
import type { ServePolicy } from '../exchange/bitswap/server/policy.ts'
import type { LoadedConfig } from './load.ts'
import type { ConfigKey, schema } from './schema.ts'

type Config = Pick<LoadedConfig<typeof schema>, 'values' | 'sources'>

const CHECKS: { readonly [K in ConfigKey]?: (values: Config['values']) => unknown } = {
  'routing.providers': values => values['routing.providers'].map(hint => toProvider(hint, { source: 'operator' })),
  'routing.allowAddresses': values => addressPolicy({ allow: values['routing.allowAddresses'] }),
  'exchange.allowPeers': values => servePolicy(values),
  'exchange.siblings': values => values['exchange.siblings'].map(hint => toProvider(hint, { source: 'sibling' })),
  'libp2p.listen': values => libp2pOptions({ listen: values['libp2p.listen'] }),
  'libp2p.bootstrap': values => libp2pOptions({ bootstrap: values['libp2p.bootstrap'] })
}

/** Who may be served, as the node takes it */
export function servePolicy (values: Config['values']): ServePolicy {
  const serve = values['exchange.serve'] as ServePolicy | 'allow-list'
  const allow = values['exchange.allowPeers']

  if (serve !== 'allow-list' && allow.length > 0) {
    throw new InvalidOptionError(`peers are allowed that would not be served, because exchange.serve is ${quote(serve)}: make it allow-list`)
  }
  const policy = serve === 'allow-list' ? { allow } : serve
  mayServe(policy, () => false)
  return policy
}

/**
 * Checks what only the rooms that use an option can read: addresses and names.
 * The error names the key and where the value came from, as those of the
 * schema do. Apart from it because these rooms take a while to load.
 */
export function checkMeaning (config: Config): void {
  for (const [key, check] of Object.entries(CHECKS) as Array<[ConfigKey, (values: Config['values']) => unknown]>) {
    try {
      check(config.values)
    } catch (err) {
      throw new InvalidOptionError(`${key} (from ${config.sources[key]}): ${(err as Error).message}`, { cause: err })
    }
  }
}

/** Two servers cannot have one port: said before either takes it, and not by the system when the second one tries */
export function checkPorts ({ values, sources }: Config): void {
  const port = values['gateway.port']

  if (port !== 0 && port === values['control.port'] && overlap(values['gateway.host'], values['control.host'])) {
    throw new InvalidOptionError(`gateway.port (from ${sources['gateway.port']}) and control.port (from ${sources['control.port']}) are both ${port}: the gateway and the control endpoint need a port each; 0 takes a free one`)
  }
}

const EVERY_ADDRESS = new Set(['0.0.0.0', '::'])

function overlap (a: string, b: string): boolean {
  const [one, other] = [a, b].map(host => host === 'localhost' ? '127.0.0.1' : host)
  return one === other || EVERY_ADDRESS.has(a) || EVERY_ADDRESS.has(b)
}
