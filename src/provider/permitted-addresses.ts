/**
 * Of the addresses that a name leads to, those that may be dialled, in their order. Throws the first refusal when there are none: a
 * name may lead to a public and a private network at once.
 *
 * @param check - throws for an address that must not be dialled
 * @param nowhere - what to throw when the name leads nowhere
 */
export function permittedAddresses<T extends { readonly address: string }> (addresses: readonly T[], check: (address: string) => void, nowhere: () => Error): [T, ...T[]] {
  const permitted: T[] = []
  let refusal: Error | undefined

  for (const resolved of addresses) {
    try {
      check(resolved.address)
      permitted.push(resolved)
    } catch (err) {
      refusal ??= err as Error
    }
  }
  const [first, ...rest] = permitted

  if (first == null) {
    throw refusal ?? nowhere()
  }
  return [first, ...rest]
}
