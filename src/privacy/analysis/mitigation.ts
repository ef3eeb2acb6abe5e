import type { ObserverClass } from '../../interface/privacy.ts'

/** What takes an exposure away: an option of the configuration and where it helps its value, and the same in words */
export interface Mitigation {
  readonly recommendation: string
  readonly mitigation: string
}

/** For whatever one class of observers learns of what is asked for */
export const AGAINST_CLASS: Readonly<Record<ObserverClass, Mitigation>> = {
  own: { recommendation: 'Nothing: it is another process of the same user.', mitigation: 'none' },
  sibling: { recommendation: 'Leave siblings out that are not of the same user.', mitigation: 'exchange.siblings' },
  'shared-cache': { recommendation: 'Share a second level of the cache only with nodes that may know what is read here, or leave it out.', mitigation: 'sharedCache.url' },
  peer: { recommendation: 'Keep more in the cache, for a hit tells nobody; serve several clients with one node, so that a provider cannot tell which of them asked.', mitigation: 'cache.size' },
  gateway: { recommendation: 'Ask over HTTP only hosts of your own.', mitigation: 'routing.mode=strict' },
  router: { recommendation: 'Run a router of your own and name it as such, and leave out those of others.', mitigation: 'routing.ownRouters' },
  dht: { recommendation: 'Name providers, or ask own routers only: a lookup in the DHT tells tens of strangers.', mitigation: 'routing.mode=strict' },
  dns: { recommendation: 'Name addresses instead of names, or ask hosts of your own.', mitigation: 'routing.mode=strict' },
  foreign: { recommendation: 'Do without brokers and routing of others, whose audience nobody can count.', mitigation: 'routing.mode=balanced' }
}
