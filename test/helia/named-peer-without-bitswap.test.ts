import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { afterEach, expect, it } from 'vitest'
import { withContentRouting } from '../../src/index.ts'
import type { Helia } from '@helia/interface'

const MISSING = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const PEER = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
const NAMED = `/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`
const nodes: Helia[] = []
afterEach(async () => { await Promise.all(nodes.splice(0).map(async node => { await node.stop() })) })

it.each([
  [{ providers: [NAMED] }, {}, /bitswap is not running, which needs a node with libp2p/],
  [{ siblings: [NAMED] }, {}, /bitswap is not running, which needs a node with libp2p/],
  [{}, { providers: [NAMED] }, /bitswap is not running, which needs a node with libp2p/],
  [{ bitswap: 'off' as const, providers: [NAMED] }, {}, /bitswap is off/],
  [{ bitswap: 'off' as const, siblings: [NAMED] }, {}, /bitswap is off/]
])('%j %j: a peer that cannot be asked is no answer, and the failure says why', async (init, options, why) => {
  const helia = withContentRouting(createHeliaLight(), init)
  nodes.push(helia)
  await helia.start()
  const failure = await helia.contentRouting.retrieve(MISSING, options).catch((err: unknown) => err)

  expect(failure).toMatchObject({ name: 'RetrievalFailedError', message: expect.stringMatching(why) })
  expect((failure as Error).message).toContain(`p2p:${PEER} cannot be asked`)
  expect(String(helia.contentRouting.explain(MISSING))).toMatch(why)
})
