import { isNameAnswer } from '../../interface/name-answer.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Resolve, ResolvedAddress } from '../http/dial-egress.ts'

/** What whoever answers for names learns for the sake of a request: a name, and not what it is for */
export function nameDisclosure (disclosure: Disclosure): Disclosure {
  return disclosure.also({ observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' })
}

/** Looks a name up on behalf of a request */
export async function lookedUp (name: string, resolve: Resolve, request: Disclosure): Promise<readonly ResolvedAddress[]> {
  const disclosure = nameDisclosure(request)
  return answered(disclosure, resolve(name, disclosure))
}

/** Settles what a lookup discloses: where no answer came nobody knows whether it was asked for on the wire */
export async function answered<T> (disclosure: Disclosure, answer: Promise<T>): Promise<T> {
  try {
    const value = await answer
    disclosure.sent()
    return value
  } catch (error) {
    if (isNameAnswer(error)) {
      disclosure.sent()
    } else {
      disclosure.unknown()
    }
    throw error
  }
}
