import type { DisclosureEntry, PrivacyMode } from '../../../src/interface/disclosure.ts'

/** What no spy can see of an entry, and what follows from what else is in it and from the node: in words, what contradicts that */
export function contradictions (entries: readonly DisclosureEntry[], node: PrivacyMode): string[] {
  return entries.flatMap(entry => {
    const { observer, form, transport, audience, mode, purpose } = entry
    const told = (what: string): string => `${what}: ${purpose} ${transport} ${form} ${observer}`
    return [
      ...audiencesOf(entry, node).includes(audience) ? [] : [told(`audience ${audience}`)],
      // in mode `open` some reads have one of their own
      ...node === 'open' || mode === node ? [] : [told(`mode ${mode} of a node in mode ${node}`)],
      // nobody here has a certificate
      ...transport === 'https' || transport === 'rediss' ? [told('encrypted')] : []
    ]
  })
}

function audiencesOf ({ observer, transport }: DisclosureEntry, node: PrivacyMode): ReadonlyArray<DisclosureEntry['audience']> {
  if (transport === 'foreign') {
    return [observer.startsWith('p2p:') ? 'one' : 'unbounded']
  }
  // only there those are asked who happen to be connected
  return transport === 'bitswap' && node === 'open' ? ['one', 'many'] : ['one']
}
