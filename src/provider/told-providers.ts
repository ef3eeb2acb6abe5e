import type { ProviderRecord } from './provider.ts'

const TOLD = Symbol.for('portolan.told-providers')

/**
 * Read options under which a broker's own lookup is answered with these
 * records, so that it asks whom it was told to ask and no router. Brokers hand
 * their options on to `helia.routing`, symbols included.
 */
export function tellProviders (records: readonly ProviderRecord[]): object {
  return { [TOLD]: records }
}

/** The records that a lookup's options carry, if any */
export function toldProviders (options: object | undefined): readonly ProviderRecord[] | undefined {
  return (options as { [TOLD]?: readonly ProviderRecord[] } | undefined)?.[TOLD]
}
