import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { fromString } from 'uint8arrays/from-string'
import { GATEWAY_PROTOCOL } from './provider.ts'
import type { ProviderRecord } from './provider.ts'

// `transport-ipfs-gateway-http`, see https://github.com/multiformats/multicodec/blob/master/table.csv
const GATEWAY_CODE = 0x0920

/** A gateway in the words of Helia's routing, as @helia/fallback-router puts it */
export function gatewayRecord (origin: string, fallback: boolean): ProviderRecord {
  return {
    id: CID.createV1(GATEWAY_CODE, identity.digest(fromString(origin))),
    multiaddrs: [uriToMultiaddr(origin)],
    protocols: [GATEWAY_PROTOCOL],
    router: 'portolan',
    fallback
  }
}
