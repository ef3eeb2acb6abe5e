import { setMeasures } from './entropy.ts'
import { OBSERVER_CLASSES } from '../../interface/privacy.ts'
import type { ClassMeasures, Exposure, ObserverClass } from '../../interface/privacy.ts'

/** Stands for whoever uses this node itself, beside its clients: a client cannot have this name */
const OWN_USER = Symbol('own user')

/** Exposures that were about something; the others only say that this node is there */
export function aboutContent (exposures: readonly Exposure[]): readonly Exposure[] {
  return exposures.filter(({ form, subject }) => form !== 'none' && (subject != null || form !== 'hostname'))
}

/**
 * Those who could have caused a request, with the requests that each did cause: an observer that was asked by this node
 * knows that it was this node, so the set is the clients that this node asked for, and one where it asked for itself.
 * By requests and not by messages, for one client's request may need many.
 */
export function requestsByClient (exposures: readonly Exposure[]): ReadonlyMap<string | symbol, number> {
  const requests = new Map<string | symbol, Set<string>>()

  for (const { client, request } of exposures) {
    const who = client ?? OWN_USER
    const theirs = requests.get(who) ?? new Set()
    requests.set(who, theirs.add(request))
  }

  return new Map([...requests].map(([who, theirs]) => [who, theirs.size]))
}

export function exposuresByClass (exposures: readonly Exposure[]): ReadonlyMap<ObserverClass, readonly Exposure[]> {
  const byClass = new Map<ObserverClass, Exposure[]>()

  for (const exposure of exposures) {
    const list = byClass.get(exposure.observerClass)

    if (list == null) {
      byClass.set(exposure.observerClass, [exposure])
    } else {
      list.push(exposure)
    }
  }

  return byClass
}

/** A row for each class that learnt something about content; a cache hit exposes to nobody and so is in none */
export function classMeasures (exposures: readonly Exposure[]): readonly ClassMeasures[] {
  const byClass = exposuresByClass(aboutContent(exposures))

  return OBSERVER_CLASSES.flatMap(observerClass => {
    const theirs = byClass.get(observerClass)

    return theirs == null
      ? []
      : [{
          observerClass,
          exposures: theirs.length,
          observers: new Set(theirs.map(({ observer }) => observer)).size,
          subjects: new Set(theirs.flatMap(({ subject }) => subject ?? [])).size,
          ...setMeasures(requestsByClient(theirs).values())
        }]
  })
}
