import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { base32 } from 'multiformats/bases/base32'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'

export function makeBlocks (count: number, name: string): CID[] {
  return Array.from({ length: count }, (_, i) => CID.createV1(0x55, create(0x12, new Uint8Array(createHash('sha256').update(`${name}/${i}`).digest()))))
}

/** Not in the types: where a kad-dht keeps records, a key for each, in memory */
interface KeepsRecords {
  readonly components: { readonly datastore: { queryKeys (query: { prefix: string }): AsyncIterable<{ list (): string[] }> } }
}

/** Of the records of a publisher that should lie with the twenty nearest, the share that does */
export async function placement (network: DhtNetwork, publisher: string, cids: readonly CID[]): Promise<number> {
  const held = new Map<string, ReadonlySet<string>>()
  let right = 0
  let all = 0

  for (const server of network.servers) {
    held.set(server.id, await recordsOf(server, publisher))
  }
  for (const { multihash } of cids) {
    const name = base32.baseEncode(multihash.bytes)

    for (const { id } of network.closest(multihash.bytes)) {
      all++
      right += held.get(id)?.has(name) === true ? 1 : 0
    }
  }
  return right / all
}

/** Multihashes of which a server names the publisher */
async function recordsOf ({ libp2p }: DhtNode, publisher: string): Promise<Set<string>> {
  const { components } = libp2p.services.dht as unknown as KeepsRecords
  const found = new Set<string>()

  for await (const key of components.datastore.queryKeys({ prefix: '/dht/provider' })) {
    const [multihash, peer] = key.list().slice(-2)

    if (multihash != null && peer === publisher) {
      found.add(multihash)
    }
  }
  return found
}
