import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { directoryNode, fileNode } from '../../src/gateway/welcome/dag.ts'
import { welcomeSite } from '../../src/gateway/welcome/site.ts'
import { RetrievalFailedError, RetrievalTimeoutError, UnacceptableHashError } from '../../src/interface/errors.ts'
import { ask, rawExchange, startGateway } from './fixture.ts'
import type { TestGateway } from './fixture.ts'
import type { Node } from '../../src/gateway/welcome/dag.ts'

const missing = CID.createV1(raw.code, await sha256.digest(new Uint8Array([1, 2, 3])))
let test: TestGateway

async function put (node: Node): Promise<Node> {
  for (const { cid, bytes } of node.blocks) {
    await test.routing.store.put(cid, bytes)
  }
  return node
}

/** A file of several blocks */
async function bigFile (size: number): Promise<{ cid: CID, bytes: Uint8Array }> {
  const bytes = new Uint8Array(size).map((_, i) => (i * 7 + (i >> 8)) & 0xff)
  const cid = await unixfs({ blockstore: test.routing.store } as Parameters<typeof unixfs>[0]).addBytes(bytes, { rawLeaves: true })
  return { cid, bytes }
}

beforeAll(async () => {
  test = await startGateway({ allowedHosts: ['proxy.example'], maxDirectoryEntries: 100 })
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

describe('files', () => {
  it('sends a file with everything a cache and a browser need to know', async () => {
    const { cid } = await put(await fileNode('hello\n'))
    const answer = await ask(test.url, `/ipfs/${cid}`)

    expect(answer.status).toBe(200)
    expect(answer.text).toBe('hello\n')
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '6',
      'cache-control': 'public, max-age=29030400, immutable',
      etag: `"${cid}"`,
      'x-ipfs-path': `/ipfs/${cid}`,
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes'
    })
    expect(test.routing.open).toBe(0)
  })

  it('sends a file of many blocks, whole and in ranges', async () => {
    const { cid, bytes } = await bigFile(3_000_000)
    expect((await ask(test.url, `/ipfs/${cid}`)).body).toEqual(bytes)

    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0], ['bytes=1048570-1048590', 1_048_570, 1_048_590], ['bytes=2999990-', 2_999_990, 2_999_999],
      ['bytes=-10', 2_999_990, 2_999_999], ['bytes=2999999-9999999', 2_999_999, 2_999_999], ['bytes=-99999999', 0, 2_999_999]
    ] as const) {
      const answer = await ask(test.url, `/ipfs/${cid}`, { headers: { range } })
      expect(answer.status).toBe(206)
      expect(answer.headers['content-range']).toBe(`bytes ${first}-${last}/3000000`)
      expect(answer.headers['content-type']).toBe('application/octet-stream')
      expect(answer.body).toEqual(bytes.subarray(first, last + 1))
    }
  })

  it('a range costs only the blocks it touches', async () => {
    const { cid } = await bigFile(5_000_001)
    test.routing.asked.length = 0
    await ask(test.url, `/ipfs/${cid}?filename=a.bin.pdf`, { headers: { range: 'bytes=10-20' } })
    // the root to learn the size, the root again to read it, one leaf
    expect(new Set(test.routing.asked).size).toBe(2)
  })

  it('refuses a range outside the file, ignores one that it cannot read', async () => {
    const { cid } = await put(await fileNode('0123456789'))
    const outside = await ask(test.url, `/ipfs/${cid}`, { headers: { range: 'bytes=10-' } })
    expect(outside.status).toBe(416)
    expect(outside.headers['content-range']).toBe('bytes */10')

    for (const range of ['bytes=5-4', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=', 'bytes=a-b']) {
      const answer = await ask(test.url, `/ipfs/${cid}`, { headers: { range } })
      expect([range, answer.status, answer.text]).toEqual([range, 200, '0123456789'])
    }
  })

  it('If-Range lets a range count only for the same content', async () => {
    const { cid } = await put(await fileNode('0123456789'))
    const headers = (ifRange: string): Record<string, string> => ({ range: 'bytes=2-3', 'if-range': ifRange })
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: headers(`"${cid}"`) })).text).toBe('23')
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: headers('"other"') })).text).toBe('0123456789')
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: headers('Wed, 21 Oct 2026 07:28:00 GMT') })).status).toBe(200)
  })

  it('answers 304 without fetching anything', async () => {
    for (const tag of [`"${missing}"`, `W/"${missing}"`, `"x", "${missing}"`]) {
      test.routing.asked.length = 0
      const answer = await ask(test.url, `/ipfs/${missing}`, { headers: { 'if-none-match': tag } })
      expect([answer.status, answer.body.byteLength, answer.headers.etag]).toEqual([304, 0, `"${missing}"`])
      expect(test.routing.asked).toEqual([])
    }
    expect((await ask(test.url, `/ipfs/${missing}`, { headers: { 'if-none-match': '*' } })).status).toBe(404)
  })

  it('HEAD tells the size and fetches nothing but the root', async () => {
    const { cid } = await bigFile(2_500_000)
    test.routing.asked.length = 0
    const answer = await ask(test.url, `/ipfs/${cid}?filename=film.mp4`, { method: 'HEAD' })

    expect(answer.status).toBe(200)
    expect(answer.headers['content-length']).toBe('2500000')
    expect(answer.headers['content-type']).toBe('video/mp4')
    expect(answer.body.byteLength).toBe(0)
    expect(test.routing.asked).toEqual([cid.toString()])
  })

  it('an empty file is an answer of no bytes', async () => {
    const { cid } = await put(await fileNode(''))
    const answer = await ask(test.url, `/ipfs/${cid}`)
    expect([answer.status, answer.headers['content-length'], answer.body.byteLength]).toEqual([200, '0', 0])
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: { range: 'bytes=0-' } })).status).toBe(416)
  })

  it('names a download, escaped', async () => {
    const { cid } = await put(await fileNode('x'))
    const name = encodeURIComponent('na"ïve\r\nset-cookie: a=b/../é.txt')
    const answer = await ask(test.url, `/ipfs/${cid}?filename=${name}&download=true`)
    expect(answer.headers['content-disposition']).toBe("attachment; filename=\"na__ve__set-cookie: a=b_..__.txt\"; filename*=UTF-8''na%22%C3%AFve__set-cookie%3A%20a%3Db_.._%C3%A9.txt")
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it.each([
    ['index.html', '<p>', 'text/html; charset=utf-8'], ['a.SVG', '<svg>', 'image/svg+xml; charset=utf-8'], ['a.tar.gz', '', 'application/gzip'],
    ['readme', 'words', 'text/plain; charset=utf-8'], ['page', '<!DOCTYPE html><p>', 'text/html; charset=utf-8'],
    ['picture', '\u0000\u0001', 'application/octet-stream'], ['a.constructor', 'words', 'text/plain; charset=utf-8']
  ])('the type of %s with %j is %s', async (name, content, type) => {
    const directory = await put(await directoryNode({ [name]: await fileNode(content) }))
    expect((await ask(test.url, `/ipfs/${directory.cid}/${name}`)).headers['content-type']).toBe(type)
  })
})

describe('blocks', () => {
  it.each([['?format=raw', {}], ['', { accept: 'application/vnd.ipld.raw' }]])('sends a block for %j %j', async (query, headers) => {
    const directory = await put(await directoryNode({ 'a.txt': await fileNode('a') }))
    const answer = await ask(test.url, `/ipfs/${directory.cid}${query}`, { headers })

    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(directory.blocks[0]?.bytes)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      'content-disposition': `attachment; filename="${directory.cid}.bin"`,
      etag: `"${directory.cid}.raw"`
    })
  })

  it('sends the block behind a path', async () => {
    const file = await fileNode('deep')
    const root = await put(await directoryNode({ a: await directoryNode({ b: file }) }))
    expect((await ask(test.url, `/ipfs/${root.cid}/a/b?format=raw`)).text).toBe('deep')
  })

  it.each(['?format=car', '?format=', '?format=%3Cscript%3E'])('%s is 406, and says what there is', async query => {
    const answer = await ask(test.url, `/ipfs/${missing}${query}`)
    expect([answer.status, answer.text.includes('?format=raw')]).toEqual([406, true])
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
  })

  it('a service worker from a bare CID is 400: it would control every page under /ipfs/', async () => {
    const answer = await ask(test.url, `/ipfs/${missing}?filename=sw.js`, { headers: { 'service-worker': 'script' } })
    expect([answer.status, answer.text.includes('service worker')]).toEqual([400, true])
  })

  it('Accept: car alone is 406, beside anything a browser sends it is not', async () => {
    const { cid } = await put(await fileNode('x'))
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: { accept: 'application/vnd.ipld.car;version=1' } })).status).toBe(406)
    expect((await ask(test.url, `/ipfs/${cid}`, { headers: { accept: 'application/vnd.ipld.car, */*;q=0.1' } })).status).toBe(200)
  })
})

describe('directories', () => {
  it('redirects to the slash, on this host, with the query', async () => {
    const directory = await put(await directoryNode({ 'evil?name': await directoryNode({ 'a.txt': await fileNode('a') }) }))
    const answer = await ask(test.url, `/ipfs/${directory.cid}/evil%3Fname?x=1`, { headers: { host: 'proxy.example' } })
    expect([answer.status, answer.headers.location]).toEqual([301, `/ipfs/${directory.cid}/evil%3Fname/?x=1`])
    expect((await ask(test.url, `//evil.example/ipfs/${directory.cid}`)).headers.location).toBeUndefined()
  })

  it('lists entries, escaped, linked, and without scripts', async () => {
    const names = ['a b.txt', '<script>alert(1)</script>', "it's \"quoted\" & more", 'javascript:alert(1)', 'naïve.txt', '..', 'a/b']
    const file = await fileNode('x')
    const directory = await put(await directoryNode(Object.fromEntries(names.map(name => [name, file]))))
    const { headers, text, status } = await ask(test.url, `/ipfs/${directory.cid}/`)

    expect(status).toBe(200)
    expect(headers['content-security-policy']).toMatch(/default-src 'none'/)
    expect(text).toContain('./a%20b.txt')
    expect(text).toContain('href="./javascript%3Aalert(1)"')
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).toContain('it&#39;s &quot;quoted&quot; &amp; more')
    expect(text).not.toContain('<script')
    expect(text).not.toContain('href="./..')
    expect(text).toContain('7 entries.')
    // every link leads back to the entry
    expect((await ask(test.url, `/ipfs/${directory.cid}/naïve.txt`.replace('ï', '%C3%AF'))).text).toBe('x')
  })

  it('cuts a huge listing, and says so', async () => {
    const file = await fileNode('x')
    const directory = await put(await directoryNode(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, file]))))
    const { text } = await ask(test.url, `/ipfs/${directory.cid}/`)
    expect(text).toContain('The first 100 entries; there are more.')
    expect(text.match(/href="\.\/f/g)).toHaveLength(100)
  })

  it('serves index.html where there is one, HEAD included', async () => {
    const directory = await put(await directoryNode({ 'index.html': await fileNode('<h1>Index</h1>'), 'a.txt': await fileNode('a') }))
    const answer = await ask(test.url, `/ipfs/${directory.cid}/`)
    expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([200, '<h1>Index</h1>', 'text/html; charset=utf-8'])
    expect((await ask(test.url, `/ipfs/${directory.cid}/`, { method: 'HEAD' })).headers['content-length']).toBe('14')
  })

  it('an index that is lost is an error, not a listing', async () => {
    const root = await put({ ...await directoryNode({ 'index.html': { cid: missing, size: 1, blocks: [] } }) })
    expect((await ask(test.url, `/ipfs/${root.cid}/`)).status).toBe(404)
  })
})

describe('the welcome site', () => {
  it('works at / and by its CIDs, without a network', async () => {
    const { root, hello, harbours } = await welcomeSite()
    const page = await ask(test.url, '/')

    expect(page.status).toBe(200)
    expect(page.headers['x-ipfs-path']).toBe(`/ipfs/${root}`)
    expect(page.headers['cache-control']).toBe('no-cache')
    expect(page.text).toContain(hello.toString())
    expect((await ask(test.url, `/ipfs/${hello}`)).text).toMatch(/^Hello from Portolan/)
    expect((await ask(test.url, `/ipfs/${harbours}/`)).text).toContain('genoa.txt')
    // every link on the page leads somewhere
    for (const [, href = ''] of page.text.matchAll(/<a href="([^"]+)"/g)) {
      expect([href, (await ask(test.url, href)).status]).toEqual([href, 200])
    }
  })

  it('loads nothing from elsewhere and has no script', async () => {
    const { text } = await ask(test.url, '/')
    expect(text).not.toMatch(/<script|<link[^>]+href="(?!data:)|url\(|@import|<iframe|(?:src|srcset)=/i)
  })

  it('has the same CIDs everywhere', async () => {
    expect((await welcomeSite()).root.toString()).toBe((await welcomeSite()).root.toString())
    expect((await welcomeSite()).hello.toString()).toBe('bafkreib7ns4czylkjps5rpdbdpkcmxgt77jkqrtedygmxrmg23uyo63hyy')
  })
})

describe('what cannot be answered', () => {
  it.each([
    ['/ipfs/not-a-cid', 400, /not-a-cid/], ['/ipfs/', 400, /CID is missing/], ['/ipfs', 400, /CID is missing/], ['/ipfs//a', 400, /CID is missing/],
    [`/ipfs/${missing}/%zz`, 400, /percent-encoded/], [`/ipfs/${missing}/%ff`, 400, /percent-encoded/],
    [`/ipfs/${missing}${'/a'.repeat(129)}`, 400, /129 names/], ['/nothing', 404, /nothing here/], [`/${'a'.repeat(9000)}`, 414, /limit is 8192/],
    [`/ipfs/${missing}`, 404, /Nobody has .*\n\nasked https:\/\/one\.example: not here/]
  ])('%s is %d', async (path, status, text) => {
    const answer = await ask(test.url, path)
    expect(answer.status).toBe(status)
    expect(answer.text).toMatch(text)
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  it('a name that a directory lacks is 404 and says which', async () => {
    const directory = await put(await directoryNode({ 'a.txt': await fileNode('a') }))
    const answer = await ask(test.url, `/ipfs/${directory.cid}/b.txt`)
    expect([answer.status, answer.text.includes('"b.txt"')]).toEqual([404, true])
    expect((await ask(test.url, `/ipfs/${directory.cid}/a.txt/b`)).status).toBe(404)
  })

  it.each([
    [new RetrievalTimeoutError([], 'Gave up after 30 s', { toString: () => 'asked https://slow.example: silent', toJSON: () => ({}) }), 504, /Gave up[^]*slow\.example: silent/],
    [new RetrievalFailedError([], 'Nobody delivered', { toString: () => 'story', toJSON: () => ({}) }), 504, /Nobody delivered\n\nstory/],
    [new UnacceptableHashError('md5 is too weak'), 400, /md5 is too weak/],
    [new Error('a secret: /home/me'), 500, /Something went wrong here/]
  ])('%s is %d', async (failure, status, text) => {
    test.routing.failure = failure
    try {
      const answer = await ask(test.url, `/ipfs/${missing}`)
      expect(answer.status).toBe(status)
      expect(answer.text).toMatch(text)
      expect(answer.text).not.toContain('/home/me')
    } finally {
      test.routing.failure = undefined
    }
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is 405 with Allow', async method => {
    const answer = await ask(test.url, '/', { method })
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  it('only-if-cached is 412 for what is not here', async () => {
    expect((await ask(test.url, `/ipfs/${missing}`, { headers: { 'cache-control': 'only-if-cached' } })).status).toBe(412)
  })

  it('what is not HTTP gets an answer and a closed connection', async () => {
    expect(await rawExchange(test.port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
    expect(await rawExchange(test.port, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431/)
    expect(await rawExchange(test.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n')).toMatch(/^HTTP\/1\.1 405/)
  })

  it('a proxy\'s absolute target is read by its path', async () => {
    expect(await rawExchange(test.port, 'GET http://elsewhere.example/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/200 OK[^]*live/)
  })

  it('a client that never finishes its request is cut off', async () => {
    await using slow = await startGateway({ requestTimeout: 150 })
    expect(await rawExchange(slow.port, 'GET / HTTP/1.1\r\nHost: a\r\n')).toMatch(/^HTTP\/1\.1 408/)
  })
})

it('/live', async () => {
  expect((await ask(test.url, '/live')).text).toBe('live\n')
})

it('counts what it did', async () => {
  await ask(test.url, '/live')
  const page = test.metrics.toString()
  expect(page).toMatch(/portolan_gateway_requests_total\{status="200"\} [1-9]/)
  expect(page).toMatch(/portolan_gateway_request_seconds_bucket\{le="\+Inf"\} [1-9]/)
})
