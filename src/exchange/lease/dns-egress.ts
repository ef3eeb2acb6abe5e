import { Resolver } from 'node:dns/promises'

/** Reads the TXT records of a name */
export type ResolveText = (name: string, options: { signal: AbortSignal }) => Promise<readonly string[]>

/** The machine's own name servers. Where there is no such record, there are none. */
export const systemResolveText: ResolveText = async (name, { signal }) => {
  signal.throwIfAborted()
  const resolver = new Resolver()
  const cancel = (): void => { resolver.cancel() }
  signal.addEventListener('abort', cancel, { once: true })

  try {
    return (await resolver.resolveTxt(name)).map(parts => parts.join(''))
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
