/** Whether one may be reached through a relay, by its peer id */
export type RelayRule = (relay: string) => boolean

/** The relay through which an address leads, as far as it says which; undefined where it leads there directly */
export function relayOf (address: string): string | undefined {
  const at = address.indexOf('/p2p-circuit')
  return at === -1 ? undefined : /\/p2p\/([^/]+)$/.exec(address.slice(0, at))?.[1] ?? ''
}

/** What is left of addresses when no relay is used but these */
export function overRelays<T> (items: readonly T[], rule: RelayRule | undefined, address: (item: T) => string): readonly T[] {
  return rule == null
    ? items
    : items.filter(item => {
      const relay = relayOf(address(item))
      return relay == null || rule(relay)
    })
}
