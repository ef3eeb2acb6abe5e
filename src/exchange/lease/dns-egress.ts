import { Resolver } from 'node:dns/promises'
import { answered } from './disclosed-names.ts'
import type { Disclosure } from '../../interface/disclosure.ts'

/** Reads the TXT records of a name. Whoever answers for names learns of it. */
export type ResolveText = (name: string, options: { signal: AbortSignal, disclosure: Disclosure }) => Promise<readonly string[]>

/** Asks these name servers, by default the machine's own. Where there is no such record, there are none. */
export const textResolver = (servers?: readonly string[]): ResolveText => async (name, { signal, disclosure }) => {
  if (signal.aborted) {
    disclosure.notSent()
    signal.throwIfAborted()
  }
  const resolver = new Resolver()

  if (servers != null) {
    resolver.setServers(servers)
  }

  const cancel = (): void => { resolver.cancel() }
  signal.addEventListener('abort', cancel, { once: true })

  try {
    return (await answered(disclosure, resolver.resolveTxt(name))).map(parts => parts.join(''))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND' || code === 'ENODATA') {
      return []
    }
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

export const systemResolveText: ResolveText = textResolver()
