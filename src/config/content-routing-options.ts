import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { addressPolicy } from '../provider/address.ts'
import { httpOrigin, toProvider } from '../provider/provider.ts'
import { routingParams } from '../routing/params.ts'
import type { Provider, ProviderHint } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { ContentRoutingInit } from '../routing/params.ts'

/** The options of `withContentRouting` */
export interface ContentRoutingOptions extends ContentRoutingInit {
  /** `false`: wrap the node, but leave its reads alone until `contentRouting.enable()`. @default true */
  enabled?: boolean
  /** Asked for every CID, before any router. Their addresses may be private: the operator named them. */
  providers?: readonly ProviderHint[]
  /** Private addresses that may be connected to, whoever names them: a host, `host:port`, a CIDR range, a URL origin. @default none */
  allowAddresses?: readonly string[]
  /** Names of the node's own brokers that are also asked in the modes `balanced` and `strict`. @default none */
  trustedBrokers?: readonly string[]
  /** Largest block accepted, in bytes. @default 2_097_152 */
  maxBlockSize?: number
  /** Accept sha1, for which collisions can be made. @default false */
  allowSha1?: boolean
}

const OWN = ['enabled', 'providers', 'allowAddresses', 'trustedBrokers', 'maxBlockSize', 'allowSha1'] as const
const ROUTING = Object.keys(routingParams())

// each is a candidate for every block: more is a list of gateways somebody found, not of those one knows
const MAX_OPERATOR_PROVIDERS = 64

/** Checks the options and parts them by who needs them, naming option, range and value */
export function contentRoutingOptions (init: ContentRoutingOptions): { routing: ContentRoutingInit, policy: AddressPolicy, operators: readonly Provider[] } {
  if (init === null || typeof init !== 'object') {
    throw new InvalidOptionError(`The options of content routing must be an object, got ${quote(init)}`)
  }
  const unknown = Object.keys(init).find(name => !ROUTING.includes(name) && !(OWN as readonly string[]).includes(name))
  if (unknown != null) {
    throw new InvalidOptionError(`Content routing has no option ${quote(unknown)}, it has ${[...OWN, ...ROUTING].join(', ')}`)
  }

  const providers = listOf('providers', init.providers, MAX_OPERATOR_PROVIDERS)
  listOf('trustedBrokers', init.trustedBrokers, Infinity)
  const allowed = listOf('allowAddresses', init.allowAddresses, Infinity)
  for (const name of ['enabled', 'allowSha1'] as const) {
    if (init[name] != null && typeof init[name] !== 'boolean') {
      throw new InvalidOptionError(`${name} must be true or false, got ${quote(init[name])}`)
    }
  }

  const named = providers.map(hint => toProvider(hint, { source: 'operator' }))
  const policy = addressPolicy({ allow: [...allowed, ...named.flatMap(httpOrigin)] })
  return {
    routing: Object.fromEntries(Object.entries(init).filter(([name]) => ROUTING.includes(name))),
    policy,
    // read again under the policy that exempts them: allow-listed addresses share no failure domain
    operators: providers.map(hint => toProvider(hint, { source: 'operator', policy }))
  }
}

function listOf<T> (name: string, value: readonly T[] | undefined, max: number): readonly T[] {
  if (value != null && (!Array.isArray(value) || value.length > max)) {
    throw new InvalidOptionError(`${name} must be an array${max === Infinity ? '' : ` of at most ${max}`}, got ${Array.isArray(value) ? value.length : quote(value)}`)
  }
  return value ?? []
}
