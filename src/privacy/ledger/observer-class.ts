import type { ObserverClass } from '../../interface/privacy.ts'

/** Named parties and providers that are kept; a fleet has hundreds */
const MAX_KNOWN = 10_000

/** Which kind of party an observer is: what the configuration says of it, else what its name and the way there say */
export class ObserverClasses {
  readonly #known = new Map<string, ObserverClass>()

  /** From now on these are of that kind, wherever they are met */
  know (observers: Iterable<string>, observerClass: ObserverClass): void {
    for (const observer of observers) {
      if (this.#known.size < MAX_KNOWN) {
        this.#known.set(observer, observerClass)
      }
    }
  }

  of (observer: string, transport: string): ObserverClass {
    if (transport === 'foreign') {
      // whoever it names is whom foreign code was asked to ask, or said that it had asked
      return 'foreign'
    }
    return this.#known.get(observer) ?? byName(observer, transport)
  }
}

function byName (observer: string, transport: string): ObserverClass {
  if (transport === 'dns') {
    return 'dns'
  }
  if (observer.startsWith('p2p:')) {
    return transport === 'dht' ? 'dht' : 'peer'
  }
  if (observer.startsWith('http:') || observer.startsWith('https:')) {
    return 'gateway'
  }
  if (observer.startsWith('router:')) {
    return 'router'
  }
  if (transport === 'redis' || transport === 'rediss') {
    return 'shared-cache'
  }
  return observer === 'party:own-node' ? 'own' : observer === 'party:dns' ? 'dns' : 'foreign'
}
