import type { DagWant } from '../../interface/fetcher.ts'
import type { Attempt } from '../../interface/request.ts'

export const CAR_HEADERS: Record<string, string> = {
  accept: 'application/vnd.ipld.car; version=1; order=dfs; dups=n',
  'accept-encoding': 'identity'
}

/** Parameters of IPIP-402 and IPIP-412, in the query too: some servers look at nothing else */
export function carURL ({ cid, scope, from = 0, to }: DagWant, address: string): URL {
  const url = new URL(`/ipfs/${cid.toString()}`, address)
  url.search = new URLSearchParams({
    format: 'car',
    'car-version': '1',
    'car-order': 'dfs',
    'car-dups': 'n',
    'dag-scope': scope,
    ...(scope === 'entity' && (from > 0 || to != null) ? { 'entity-bytes': `${from}:${to ?? '*'}` } : {})
  }).toString()
  return url
}

/** The body, with its bytes reported as they come */
export async function * counted (body: AsyncIterable<Uint8Array>, attempt: Attempt): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    attempt.bytes(chunk.byteLength)
    yield chunk
  }
}
