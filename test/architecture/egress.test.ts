import { describe, expect, it } from 'vitest'
import { unsettled, writersOf } from './rules/disclosing.ts'
import { networkTouches } from './rules/egress.ts'
import { sourceTree, withSnippet } from './support/program.ts'
import { formatViolations, isEgressFile, listSources } from './support/source-tree.ts'

const files = listSources()
const egressFiles = files.filter(isEgressFile)

describe('egress', () => {
  it('nothing outside egress files reaches the network', () => {
    const tree = sourceTree()
    const violations = files.flatMap(file => networkTouches(tree.source(file), file, tree))
    expect(formatViolations(violations)).toEqual([])
  })

  it('every way to a write holds a disclosure', () => {
    const tree = sourceTree()
    const writers = egressFiles.flatMap(file => writersOf(tree.source(file), file, tree))

    // no exceptions: what says nothing of a block is covered by the disclosure of its connection
    expect(writers.length).toBeGreaterThan(0)
    expect(writers.filter(({ accounted }) => !accounted)
      .map(({ file, line, name, call }) => `${file}:${line} ${name} calls ${call} without a disclosure`)).toEqual([])
  })

  it('every disclosure is settled or handed on', () => {
    const tree = sourceTree()
    expect(formatViolations(egressFiles.flatMap(file => unsettled(tree.source(file), file, tree)))).toEqual([])
  })
})

describe('the egress rule itself', () => {
  const touches = (text: string, file = 'src/routing/self-test.ts'): string[] => {
    const tree = withSnippet(file, text)
    return networkTouches(tree.source(file), file, tree).map(violation => violation.message)
  }

  it.each([
    ['fetch', "await fetch('http://127.0.0.1')"],
    ['fetch passed on', 'export const f = [fetch]'],
    ['fetch in a shorthand', 'export const f = { fetch }'],
    ['globalThis.fetch', "await globalThis.fetch('http://127.0.0.1')"],
    ['globalThis["fetch"]', "await globalThis['fetch']('http://127.0.0.1')"],
    ['fetch by another name', "export async function f (get: typeof fetch): Promise<void> { await get('http://127.0.0.1') }"],
    ['fetch taken out', 'export const { fetch: f } = globalThis'],
    ['a web socket', "export const s = new WebSocket('ws://127.0.0.1')"],
    ['undici', "import { request } from 'undici'\nexport { request }"],
    ['a socket', "import { connect } from 'node:net'\nexport { connect }"],
    ['a socket without node:', "import { connect } from 'tls'\nexport { connect }"],
    ['a client of Redis', "export const r = await import('ioredis')"],
    ['DNS', "import dns from 'node:dns/promises'\nexport { dns }"],
    ['a dynamic import', "export const h = await import('node:http')"],
    ['a re-export', "export { request } from 'node:https'"],
    ['dialProtocol', "import type { Libp2p } from '@libp2p/interface'\nexport const f = (node: Libp2p) => node.dialProtocol"],
    ['dial on anything', 'export const f = (node: any) => node.dial()'],
    ['dial of an own interface', 'export const f = (node: { dial (): void }) => { node.dial() }'],
    ['libp2p contentRouting', "import type { Libp2p } from '@libp2p/interface'\nexport const f = (node: Libp2p) => node.contentRouting"],
    ['contentRouting of an own interface', 'export const f = (c: { contentRouting: { findProviders (): void } }) => c.contentRouting'],
    ['contentRouting taken out', "import type { Libp2p } from '@libp2p/interface'\nexport const f = ({ contentRouting }: Libp2p) => contentRouting"],
    ['peerRouting', "import type { Libp2p } from '@libp2p/interface'\nexport const f = (node: Libp2p) => node.peerRouting"],
    ['Helia routing', "import type { Helia } from '@helia/interface'\nimport type { CID } from 'multiformats/cid'\nexport const f = (helia: Helia, cid: CID) => helia.routing.findProviders(cid)"],
    ['routing behind an own interface', 'export const f = (routing: { findProviders (): void }) => { routing.findProviders() }'],
    ['a broker', "import type { BlockBroker } from '@helia/interface'\nimport type { CID } from 'multiformats/cid'\nexport const f = (broker: BlockBroker, cid: CID) => broker.retrieve?.(cid)"],
    ['a client in a server file', "import { request } from 'node:http'\nexport { request }", 'src/gateway/server.ts']
  ])('sees %s', (_, text, file?: string) => {
    expect(touches(text, file)).not.toEqual([])
  })

  it.each([
    ['types', "import type { Socket } from 'node:net'\nexport type S = Socket | typeof fetch"],
    ['a fetcher', "import type { BlockFetcher } from '../interface/fetcher.ts'\nexport const f = (b: BlockFetcher) => b.fetch"],
    ['an own function called fetch', 'const fetch = (): void => {}\nfetch()'],
    ['our contentRouting', "import type { ContentRouting } from '../interface/routing.ts'\nexport const f = (h: { contentRouting: ContentRouting }) => h.contentRouting.stats()"],
    ['the same in an egress file', "export const f = async () => fetch('http://127.0.0.1')", 'src/routing/self-test-egress.ts'],
    ['a server', "import { createServer } from 'node:http'\nexport { createServer }", 'src/testing/self-test.ts']
  ])('leaves %s alone', (_, text, file?: string) => {
    expect(touches(text, file)).toEqual([])
  })
})

describe('the disclosure rule itself', () => {
  const file = 'src/routing/self-test-egress.ts'
  const accounted = (text: string): boolean[] => {
    const tree = withSnippet(file, `import type { Disclosure } from '../interface/disclosure.ts'\nimport type { Request } from '../interface/request.ts'\nexport type T = Disclosure | Request\n${text}`)
    return writersOf(tree.source(file), file, tree).map(writer => writer.accounted)
  }

  it.each([
    ['a bare write', "export async function f (): Promise<void> { await fetch('http://127.0.0.1') }"],
    ['a write of the module', "await fetch('http://127.0.0.1')"],
    ['a write below a private function', "export async function f (): Promise<void> { await g() }\nasync function g (): Promise<void> { await fetch('http://127.0.0.1') }"],
    ['a request that is not disclosed', "export async function f (request: Request): Promise<void> { await fetch('http://127.0.0.1', { signal: request.signal }) }"],
    ['one of two ways', "export async function f (d: Disclosure): Promise<void> { await g(); d.sent() }\nexport async function h (): Promise<void> { await g() }\nasync function g (): Promise<void> { await fetch('http://127.0.0.1') }"],
    ['a method', "export class C { async f (): Promise<void> { await fetch('http://127.0.0.1') } }"],
    ['a method of a returned object', "export const c = () => ({ async f (): Promise<void> { await fetch('http://127.0.0.1') } })"],
    ['undici', "import { request } from 'undici'\nexport const f = async (): Promise<void> => { await request('http://127.0.0.1') }"],
    ['a dial', "import type { Libp2p } from '@libp2p/interface'\nimport type { PeerId } from '@libp2p/interface'\nexport const f = async (node: Libp2p, peer: PeerId): Promise<void> => { await node.dialProtocol(peer, '/x') }"],
    ['a broker', "import type { BlockBroker } from '@helia/interface'\nimport type { CID } from 'multiformats/cid'\nexport const f = async (broker: BlockBroker, cid: CID): Promise<void> => { await broker.retrieve?.(cid) }"],
    ['routing behind an own interface', 'export const f = (routing: { findProviders (): void }): void => { routing.findProviders() }'],
    ['a command to Redis', "import type { Redis } from 'ioredis'\nexport const f = async (redis: Redis): Promise<void> => { await redis.getBuffer('a') }"],
    ['a lookup by a resolver of its own', "import { Resolver } from 'node:dns/promises'\nexport const f = async (name: string): Promise<void> => { await new Resolver().resolveTxt(name) }"],
    ['a lookup', "import { lookup } from 'node:dns/promises'\nexport const f = async (name: string): Promise<void> => { await lookup(name) }"]
  ])('sees %s', (_, text) => {
    expect(accounted(text)).toEqual([false])
  })

  it.each([
    ['a token as parameter', "export async function f (d: Disclosure): Promise<void> { await fetch('http://127.0.0.1'); d.sent() }"],
    ['a request that is disclosed', "export async function f (r: Request): Promise<void> { const d = r.disclose({ observer: 'http:a', form: 'cid', transport: 'http', audience: 'one' }); await fetch('http://127.0.0.1'); d.sent() }"],
    ['a private function of one that holds it', "export async function f (d: Disclosure): Promise<void> { await g(); d.sent() }\nasync function g (): Promise<void> { await fetch('http://127.0.0.1') }"],
    ['a class that keeps it', "export class C { readonly #d: Disclosure\nconstructor (d: Disclosure) { this.#d = d }\nasync f (): Promise<void> { await fetch('http://127.0.0.1'); this.#d.sent() } }"]
  ])('accepts %s', (_, text) => {
    expect(accounted(text)).toEqual([true])
  })

  it('sees a token that is never settled, or only one way', () => {
    const check = (text: string): number => {
      const tree = withSnippet(file, `import type { Disclosure } from '../interface/disclosure.ts'\n${text}`)
      return unsettled(tree.source(file), file, tree).length
    }
    expect(check('export function f (d: Disclosure): string { return d.state }')).toBe(1)
    expect(check('export function f (d: Disclosure): void { d.sent() }')).toBe(1)
    expect(check('export function f (d: Disclosure, ok: boolean): void { ok ? d.sent() : d.unknown() }')).toBe(0)
    expect(check('export function f (d: Disclosure, g: (d: Disclosure) => void): void { g(d) }')).toBe(0)
  })
})
