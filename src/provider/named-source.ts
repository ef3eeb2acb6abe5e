const NAMED: ReadonlySet<string> = new Set(['operator', 'sibling', 'hint'])

/** Whether the operator or the caller named a provider, by its `source`: nobody else answers for it */
export function isNamed (source: string): boolean {
  return NAMED.has(source)
}
