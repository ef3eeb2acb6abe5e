import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { MAX_STORED_PROVIDER, restoreProvider, storeProvider } from '../provider/stored-provider.ts'
import type { Provider } from '../interface/provider.ts'

/** Bytes of an entry: 256 usual providers, which is what the options allow at most, or 16 of the largest */
const MAX_ENTRY = 16 * MAX_STORED_PROVIDER

/** The entry of a root: who delivered blocks of it, as many as may be remembered; those that are too much to keep are left out */
export function encodeProviders (providers: readonly Provider[], limit: number): Uint8Array {
  const kept = providers.map(storeProvider).filter(stored => stored != null).slice(0, limit).map(stored => JSON.stringify(stored))
  let entry = fromString(`[${kept.join(',')}]`)

  while (entry.byteLength > MAX_ENTRY) {
    kept.pop()
    entry = fromString(`[${kept.join(',')}]`)
  }

  return entry
}

/** Reads what `encodeProviders` wrote, under this limit or another, and throws at anything that it would not have written */
export function decodeProviders (entry: Uint8Array, limit: number): Provider[] {
  if (entry.byteLength > MAX_ENTRY) {
    throw new TypeError(`An entry has at most ${MAX_ENTRY} bytes, got ${entry.byteLength}`)
  }

  const stored = JSON.parse(toString(entry)) as unknown

  if (!Array.isArray(stored)) {
    throw new TypeError('Not a list of providers')
  }

  return stored.slice(0, limit).map(provider => restoreProvider(provider, 'affinity'))
}
