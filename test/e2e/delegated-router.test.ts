import { createServer } from 'node:http'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { describe, expect, it } from 'vitest'
import { createPortolan } from '../../src/index.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { bytesFrom, failure, gateway } from './node.ts'
import type { PortolanInit } from '../../src/index.ts'
import type { AddressInfo } from 'node:net'

const file = await sampleFile({ size: 200 * 1024, chunkSize: 16 * 1024 })
const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

interface RouterServer extends AsyncDisposable {
  readonly url: string
  readonly asked: string[]
}

/** A delegated router that says of every block that these gateways have it, or fails with a status */
async function routerServer (answer: readonly string[] | number): Promise<RouterServer> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(req.url ?? '')
    if (typeof answer === 'number') {
      res.writeHead(answer, { 'retry-after': '30' }).end()
      return
    }
    res.setHeader('content-type', 'application/x-ndjson')
    res.end(answer.map(url => `${JSON.stringify({ Schema: 'peer', ID: peer, Addrs: [uriToMultiaddr(url).toString()], Protocols: ['transport-ipfs-gateway-http'] })}\n`).join(''))
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose] () {
      await new Promise<void>(resolve => {
        server.close(() => { resolve() })
        server.closeAllConnections()
      })
    }
  }
}

const node = async (init: PortolanInit): ReturnType<typeof createPortolan> => createPortolan({ ...init, allowAddresses: ['127.0.0.1'] })

describe('a node that is given delegated routers', () => {
  it('reads a file from whom they name, and tells who named it', async () => {
    const provider = await gateway(file.blocks)
    await using router = await routerServer([provider.url])
    await using reader = await node({ routers: [`${router.url}/routing/v1`] })

    expect(reader.contacts).toEqual([`${router.url}/`])
    expect(await bytesFrom(reader.contentRouting.retrieveContent(file.root))).toEqual(file.bytes)
    expect(router.asked[0]).toBe(`/routing/v1/providers/${file.root.toString()}?filter-addrs=tcp,dnsaddr,http,https,unknown&filter-protocols=transport-bitswap,transport-ipfs-gateway-http,unknown`)
    expect(String(reader.contentRouting.explain(file.root))).toMatch(`${new URL(router.url).host} named 1 provider in`)
    expect(reader.contentRouting.stats().routers).toMatchObject([{ name: new URL(router.url).host, state: 'awake' }])
  })

  it('tells which of them failed and why, and reads from whom the others name', async () => {
    const provider = await gateway(file.blocks)
    await using busy = await routerServer(429)
    await using router = await routerServer([provider.url])
    await using reader = await node({ routers: [busy.url, { url: router.url, own: true }] })

    expect(await bytesFrom(reader.contentRouting.retrieveContent(file.root))).toEqual(file.bytes)
    expect(String(reader.contentRouting.explain(file.root))).toMatch(`${new URL(busy.url).host} failed: it answered 429: overloaded, and wants to be left alone for 30 s`)
    expect(busy.asked).toHaveLength(1)
  })

  it('says in its error why there was nobody', async () => {
    await using router = await routerServer(500)
    await using reader = await node({ routers: [router.url], timeout: 2_000 })
    const err = await failure(reader.contentRouting.retrieve(file.root))
    expect(String((err as { story?: unknown }).story)).toMatch('failed: it answered 500')
  })

  it('asks only its own in mode strict', async () => {
    const provider = await gateway(file.blocks)
    await using router = await routerServer([provider.url])
    await expect(node({ routers: [router.url], mode: 'strict' })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(/mode "strict" asks only routers of your own/) as string })
    await using reader = await node({ routers: [{ url: router.url, own: true }], mode: 'strict', timeout: 3_000 })
    const err = await failure(reader.contentRouting.retrieve(file.root))
    expect(String((err as { story?: unknown }).story)).toMatch(`http://${new URL(provider.url).host} is not named as your own`)
    expect(provider.requests).toEqual([])
    await using naming = await node({ routers: [{ url: router.url, own: true }], providers: [provider.url], mode: 'strict' })
    expect(await bytesFrom(naming.contentRouting.retrieveContent(file.root))).toEqual(file.bytes)
  })

  it('does not take what is no router', async () => {
    await expect(node({ routers: ['router.example'] })).rejects.toMatchObject({ name: 'InvalidOptionError' })
    await expect(node({ routers: [{ url: 'https://router.example', own: 'yes' as unknown as boolean }] })).rejects.toMatchObject({ name: 'InvalidOptionError' })
    await expect(node({ routers: Array.from({ length: 9 }, () => 'https://router.example') })).rejects.toMatchObject({ message: 'routers must be an array of at most 8, got 9' })
  })
})
