import { InvalidOptionError } from '../../../interface/errors.ts'
import { quote } from '../../../interface/quote.ts'

/**
 * Who may be served:
 * - `none`: nobody
 * - `peers`: those we chose, by naming them in our configuration or by dialling them
 * - `everyone`: whoever connects
 * - `{ allow }`: these peer ids
 */
export type ServePolicy = 'none' | 'peers' | 'everyone' | { readonly allow: readonly string[] }

/** Nobody learns what is here until the operator says so */
export const DEFAULT_SERVE_POLICY: ServePolicy = 'none'

/** Answers whether a peer, its id as text, may be served */
export type MayServe = (peer: string) => boolean

/** Peers in an allow-list: more is a policy of another kind */
const MAX_ALLOWED = 10_000

/** Base58 or base36 or base32 of a public key or its hash; nothing that is no peer id passes by accident */
const PEER_ID = /^[A-Za-z0-9]{20,200}$/

/** Turns a policy into a question; `chosen` says whether we named or dialled a peer */
export function mayServe (policy: ServePolicy, chosen: MayServe): MayServe {
  switch (policy) {
    case 'none':
      return () => false
    case 'everyone':
      return () => true
    case 'peers':
      return chosen
    default: {
      const allowed = new Set(allowList(policy))
      return peer => allowed.has(peer)
    }
  }
}

function allowList (policy: unknown): readonly string[] {
  const allow: unknown = (policy as { allow?: unknown } | null | undefined)?.allow

  if (!Array.isArray(allow)) {
    throw new InvalidOptionError(`serve must be 'none', 'peers', 'everyone' or a list of peer ids to allow, got ${quote(policy)}`)
  }

  if (allow.length > MAX_ALLOWED) {
    throw new InvalidOptionError(`serve.allow must have at most ${MAX_ALLOWED} peer ids, got ${allow.length}`)
  }

  for (const peer of allow) {
    if (typeof peer !== 'string' || !PEER_ID.test(peer)) {
      throw new InvalidOptionError(`serve.allow must be a list of peer ids, got ${quote(peer)}`)
    }
  }

  return allow
}
