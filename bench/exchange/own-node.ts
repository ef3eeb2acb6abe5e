import { createPortolan } from '../../src/portolan.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { LevelBlockstore } from 'blockstore-level'

/** What the LevelDB under the blockstore can do that a blockstore cannot */
interface Database {
  keys (): { all (): Promise<string[]> }
  clear (): Promise<void>
  compactRange (from: string, to: string): Promise<void>
}

export type OwnStore = LevelBlockstore & { readonly db: Database }

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

export function ownStore (node: Portolan): OwnStore {
  return node.store as unknown as OwnStore
}
