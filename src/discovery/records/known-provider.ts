import { isRelayed } from '../../provider/endpoint.ts'
import { mergeProviders } from '../../provider/merge.ts'
import { MAX_STORED_PROVIDER, restoreProvider, storeProvider } from '../../provider/stored-provider.ts'
import type { Provider } from '../../interface/provider.ts'

/** A provider as a router named it, and when: what others say meanwhile makes nothing younger that they did not say */
export interface KnownProvider {
  readonly provider: Provider
  /** When it was named last. Monotonic; before the start of the process for what was restored. */
  readonly at: number
  /** When each of its addresses was told last */
  readonly told: readonly number[]
}

/** Bytes of the providers of one answer as JSON: twenty with eight long addresses each. The store reads entries of 64 KiB, and the key comes on top. */
export const MAX_ANSWER = 49_152

/** Times and punctuation of one provider as JSON */
const TIMES = 192

export function namedProvider (provider: Provider, at: number): KnownProvider {
  return { provider, at, told: provider.addresses.map(() => at) }
}

/** The newer statement first: it decides when the provider was named, and each address is as old as whoever told it last */
export function mergeKnown (newer: KnownProvider, older: KnownProvider): KnownProvider {
  const provider = mergeProviders(newer.provider, older.provider)
  const told = new Map([older, newer].flatMap(each => each.provider.addresses.map((address, i): [string, number] => [address, each.told[i] ?? each.at])))

  return { provider, at: newer.at, told: provider.addresses.map(address => told.get(address) ?? newer.at) }
}

/** What is left of it: undefined when nobody named it after `since`. A peer stays without its addresses: they can be asked for. */
export function stillKnown (known: KnownProvider, since: { readonly any: number, readonly relayed: number }): KnownProvider | undefined {
  const { provider, at, told } = known

  if (at <= since.any) {
    return undefined
  }

  const young = provider.addresses.map((address, i) => (told[i] ?? at) > (isRelayed(address) ? since.relayed : since.any))
  return young.every(is => is)
    ? known
    : { provider: { ...provider, addresses: provider.addresses.filter((_, i) => young[i]) }, at, told: told.filter((_, i) => young[i]) }
}

/**
 * As many as fit into one answer, and their bytes as JSON. Small providers are
 * kept as they are; of the large ones each has its share, and what does not fit
 * into it of their addresses, or with all that is not an address, is left out.
 */
export function fitProviders (all: readonly KnownProvider[]): { providers: KnownProvider[], bytes: number } {
  const bySize = all.map(known => ({ known, bytes: sizeOf(known) })).sort((a, b) => a.bytes - b.bytes)
  const fitting = new Map<KnownProvider, KnownProvider>()
  let bytes = 0

  for (const [i, { known, bytes: whole }] of bySize.entries()) {
    const share = Math.min(MAX_STORED_PROVIDER, (MAX_ANSWER - bytes) / (bySize.length - i))
    const kept = whole <= share ? known : withFewerAddresses(known, share)

    if (kept != null) {
      fitting.set(known, kept)
      bytes += kept === known ? whole : sizeOf(kept)
    }
  }

  return { providers: all.map(known => fitting.get(known)).filter(known => known != null), bytes }
}

/** @param wall - the time of day of a monotonic time */
export function storeKnown ({ provider, at, told }: KnownProvider, wall: (at: number) => number): object | undefined {
  const stored = storeProvider(provider)
  return stored == null ? undefined : { ...stored, at: wall(at), ...(told.every(each => each === at) ? {} : { told: told.map(wall) }) }
}

/** Reads what `storeKnown` made, and what was stored before providers had times of their own. Throws at anything else. */
export function restoreKnown (value: unknown, source: string, init: { readonly at: number, readonly monotonic: (wall: number) => number }): KnownProvider {
  const provider = restoreProvider(value, source)
  const { at = init.at, told = provider.addresses.map(() => at) } = value as { at?: unknown, told?: unknown }

  if (!isTime(at) || !Array.isArray(told) || told.length !== provider.addresses.length || !told.every(isTime)) {
    throw new TypeError('A stored provider was named at no time')
  }
  return { provider, at: init.monotonic(at), told: told.map(init.monotonic) }
}

function isTime (value: unknown): value is number {
  return Number.isFinite(value)
}

function withFewerAddresses (known: KnownProvider, room: number): KnownProvider | undefined {
  const { provider, at, told } = known
  let bytes = sizeOf({ provider: { ...provider, addresses: [] }, at, told: [] })

  if (bytes > room) {
    return undefined
  }

  const kept = provider.addresses.map(address => {
    const size = bytesOf(address) + 1
    const fits = bytes + size <= room
    bytes += fits ? size : 0
    return fits
  })
  return { provider: { ...provider, addresses: provider.addresses.filter((_, i) => kept[i]) }, at, told: told.filter((_, i) => kept[i]) }
}

function sizeOf ({ provider: { id, addresses, protocols, domains, fallback } }: KnownProvider): number {
  return TIMES + bytesOf({ id, addresses, protocols, domains, fallback })
}

const encoder = new TextEncoder()

function bytesOf (value: unknown): number {
  return encoder.encode(JSON.stringify(value)).byteLength
}
