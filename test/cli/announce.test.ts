import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { kadNode } from '../discovery/kad/support/kad-net.ts'
import { Scope, run } from './fixture.ts'
import type { KadNode } from '../discovery/kad/support/kad-net.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Serving } from './fixture.ts'

const scope = new Scope()
const ABSENT = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'
let file: SampleFile
let server: KadNode
let node: Serving

const announce = (store: string, ...args: string[]): ReturnType<typeof run> => run(['announce', ...args, '--store', store])

beforeAll(async () => {
  file = await sampleFile({ size: 300_000, chunkSize: 65_536 })
  const provider = await loopbackProvider({ blocks: file.blocks })
  scope.add(async () => provider.close())
  server = await kadNode({ protocol: '/ipfs/kad/1.0.0' })
  scope.add(async () => server.stop())
  node = await scope.serve(scope.directory(), [
    '--provider', provider.url, '--listen', '/ip4/127.0.0.1/tcp/0', '--serve', 'everyone', '--announce', 'roots', '--bootstrap', String(server.libp2p.getMultiaddrs()[0])
  ])
  await (await fetch(`${node.gateway}/ipfs/${file.root}`)).arrayBuffer()
}, 120_000)
afterAll(async () => { await scope.close() })

/** Peers that the DHT knows for a block */
async function known (cid: CID): Promise<number> {
  const { providers } = server.libp2p.services.dht as unknown as { providers: { getProviders (cid: CID): Promise<unknown[]> } }
  return (await providers.getProviders(cid)).length
}

async function stats (): Promise<Record<string, number>> {
  return await (await fetch(`${node.control}/api/announce`, { headers: { authorization: `Bearer ${node.token}` } })).json() as Record<string, number>
}

describe('portolan announce', () => {
  it('tells the DHT that the node has these blocks, and ends it', async () => {
    const listed = (await run(['cache', 'ls', '--store', node.store])).stdout.trim().split('\n').filter(line => line.includes('fetched')).map(line => CID.parse(line.split(' ')[0] as string))
    const leaf = listed.find(cid => String(cid.multihash.bytes) !== String(file.root.multihash.bytes)) as CID
    const { code, stdout, stderr } = await announce(node.store, String(file.root), String(leaf), String(file.root))
    expect([code, stderr, stdout]).toEqual([0, '', '2 of 2 announced\n'])
    expect([await known(file.root), await known(leaf)]).toEqual([1, 1])
    expect(await stats()).toMatchObject({ announced: 2, scheduled: 2, chosen: 0 })

    const again = await announce(node.store, '--json', String(leaf))
    const lines = again.stdout.trim().split('\n').map(line => JSON.parse(line) as object)
    expect(lines.at(-1)).toEqual({ done: true, announced: 1, failed: [] })
    expect(lines[0]).toEqual({ announced: 1, total: 1 })

    expect(await announce(node.store, '--cancel', String(file.root))).toMatchObject({ code: 0, stdout: '1 announced no more\n' })
    expect(await stats()).toMatchObject({ scheduled: 1 })
  }, 120_000)

  it('refuses what is not stored, what is no CID, and nothing at all, and announces none of them', async () => {
    const { announced } = await stats()
    const absent = await announce(node.store, String(file.root), ABSENT)
    expect([absent.code, absent.stderr]).toEqual([1, expect.stringContaining(`${ABSENT} is not stored here`)])
    expect(await announce(node.store, 'nonsense')).toMatchObject({ code: 2, stdout: '' })
    expect(await announce(node.store)).toMatchObject({ code: 2 })
    expect(await stats()).toMatchObject({ announced })
  }, 120_000)

  it('the endpoint says what it takes', async () => {
    const headers = { authorization: `Bearer ${node.token}` }
    const ask = async (path: string, method = 'POST'): Promise<[number, string]> => {
      const answer = await fetch(`${node.control}${path}`, { method, headers })
      return [answer.status, await answer.text()]
    }
    expect(await ask('/api/announce')).toEqual([400, '400 The CIDs are missing: ?cids=CID,CID.\n'])
    expect(await ask('/api/announce?cids=nonsense')).toEqual([400, expect.stringContaining('nonsense')])
    expect((await ask('/api/announce/cancel', 'GET'))[0]).toBe(405)
    expect((await ask('/api/announce/others'))[0]).toBe(404)
    expect((await fetch(`${node.control}/api/announce?cids=${file.root}`, { method: 'POST' })).status).toBe(401)
  })

  it('needs a node that runs, and one that serves somebody', async () => {
    const store = scope.directory()
    expect(await announce(store, ABSENT)).toMatchObject({ code: 2, stderr: expect.stringContaining('no node runs on the store') as string })
    const quiet = await scope.serve(store, ['--listen', '/ip4/127.0.0.1/tcp/0', '--bootstrap', String(server.libp2p.getMultiaddrs()[0])])
    const welcome = (await run(['cache', 'ls', '--store', store])).stdout.split(' ')[0] as string
    expect(await announce(store, welcome)).toMatchObject({ code: 1, stderr: expect.stringContaining('This node serves nobody') as string })
    expect(quiet.stderr()).not.toContain('announces')
    const alone = await scope.serve(scope.directory(), ['--listen', '/ip4/127.0.0.1/tcp/0', '--serve', 'everyone'])
    expect(await announce(alone.store, welcome)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^portolan: This node is part of no DHT: name peers to join one through \(libp2p\.bootstrap, --bootstrap\)/) as string })
    expect(node.stderr()).toContain('announces the roots of pins, every 22 h')
  }, 120_000)

  it('a strategy that could announce nothing is refused at the start, with what is missing', async () => {
    const store = scope.directory()
    const base = ['serve', '--store', store, '--port', '0', '--control-port', '0', '--announce', 'pinned']
    expect(await run(base)).toMatchObject({ code: 2, stderr: expect.stringContaining('exchange.announce (from --announce): --announce is "pinned", and whoever came for a block would get none, because --serve is "none"') as string })
    expect(await run([...base, '--serve', 'everyone'])).toMatchObject({ code: 2, stderr: expect.stringContaining('name peers to join one through (--bootstrap)') as string })
    expect(await run([...base, '--serve', 'everyone', '--bootstrap', String(server.libp2p.getMultiaddrs()[0])])).toMatchObject({ code: 2, stderr: expect.stringContaining('listens nowhere') as string })
    expect(await run([...base.slice(0, -1), 'mfs'])).toMatchObject({ code: 2, stderr: expect.stringContaining('one of none, roots, pinned, all') as string })
  }, 120_000)
})
