import { withLibp2pLight } from '@helia/libp2p'
import { createHeliaLight } from 'helia'
import { heliaMixin, undiciTransport, withContentRouting } from '../../../src/index.ts'
import { createPortolan } from '../../../src/portolan.ts'
import { loopbackLibp2p } from '../../helia/loopback-libp2p.ts'
import type { ContentRoutingOptions } from '../../../src/compose.ts'
import type { PortolanInit, Portolan } from '../../../src/portolan.ts'
import type { HeliaContentRouting } from '../../../src/helia/helia-routing.ts'
import type { Helia } from '@helia/interface'
import type { CID } from 'multiformats/cid'

export type HeliaParts = Parameters<typeof createHeliaLight>[0]

export const LOOPBACK = ['127.0.0.1']

export async function portolan (open: AsyncDisposableStack, init: PortolanInit): Promise<Portolan> {
  return open.use(await createPortolan({ allowAddresses: LOOPBACK, ...init }))
}

/** A Helia node of the user's, wrapped; it has libp2p where that is asked for */
export async function wrapped (open: AsyncDisposableStack, parts: HeliaParts, init: ContentRoutingOptions, { libp2p = false, wrap = withContentRouting } = {}): Promise<Helia & { contentRouting: HeliaContentRouting }> {
  const light = createHeliaLight(parts)
  const helia = wrap((libp2p ? withLibp2pLight(light, loopbackLibp2p()) : light) as Helia, { allowAddresses: LOOPBACK, ...init })
  open.defer(async () => { await helia.stop() })
  await helia.start()
  return helia
}

/** The same, whose names are looked up by a spy */
export function namedBy (resolve: (name: string) => Promise<Array<{ address: string, family: number }>>): typeof withContentRouting {
  return heliaMixin(({ policy, clock }) => undiciTransport({ policy, clock, resolve }), { names: { resolve, resolveText: async () => [] } })
}

/** Whether it came, however it failed to */
export async function reads (node: { contentRouting: Pick<HeliaContentRouting, 'retrieve'> }, cid: CID, options: Parameters<HeliaContentRouting['retrieve']>[1] = {}): Promise<boolean> {
  return node.contentRouting.retrieve(cid, { timeout: 4_000, ...options }).then(() => true, () => false)
}
