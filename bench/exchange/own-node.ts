import { createPortolan } from '../../src/portolan.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

/** A node as users get it, its store below `folder`, listening on loopback and serving everybody there */
export async function ownNode (folder: string, init: PortolanInit = {}): Promise<Portolan> {
  return await createPortolan({
    store: folder,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    allowAddresses: ['127.0.0.0/8'],
    serve: 'everyone',
    ...init
  })
}

export function ownStore (node: Portolan): BlockCache {
  if (node.cache == null) {
    throw new Error('the node has no directory')
  }
  return node.cache
}
