import type { Resolve } from './exchange/http/dial-egress.ts'
import type { ResolveText } from './exchange/lease/dns-egress.ts'

/** Who looks up the names in addresses of peers */
export interface NameResolution {
  readonly resolve: Resolve
  readonly resolveText: ResolveText
  /** The node's transports connect to what was resolved and checked, whatever the name leads to next. @default false */
  readonly pinned?: boolean
}

/** Without a platform's resolver only IP addresses are dialled */
export const noNames: NameResolution = {
  resolve: async name => { throw new Error(`${name} cannot be looked up here`) },
  resolveText: async () => []
}
