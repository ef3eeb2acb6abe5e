import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPortolan } from '../../src/portolan.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'

/** A node as users get it, on disk and on loopback, that serves everybody; `stop` removes it */
export async function ownNode (init: PortolanInit = {}): Promise<Portolan> {
  const folder = await mkdtemp(join(tmpdir(), 'portolan-interop-'))
  try {
    const node = await createPortolan({
      store: folder,
      listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'],
      allowAddresses: ['127.0.0.0/8'],
      serve: 'everyone',
      ...init
    })
    const stop = node.stop.bind(node)
    node.stop = async () => {
      await stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    }
    return node
  } catch (err) {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    throw err
  }
}
