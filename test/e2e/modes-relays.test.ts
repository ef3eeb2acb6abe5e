import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { contentRoutingFor } from '../../src/index.ts'
import { closedPort } from './ledger/closed-port.ts'
import { LOOPBACK, reads } from './modes/nodes.ts'
import { DCUTR, relayedSpy, relaySpy, relayingLibp2p } from './modes/relays.ts'
import { block } from './modes/spies.ts'
import type { RelayedSpy, RelaySpy } from './modes/relays.ts'
import type { ContentRoutingOptions } from '../../src/compose.ts'
import type { ContentRoutingManager } from '../../src/routing/manager.ts'
import type { Libp2p } from '@libp2p/interface'

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

interface Reader {
  readonly id: string
  readonly libp2p: Libp2p
  readonly contentRouting: ContentRoutingManager
}

interface Scene {
  readonly relay: RelaySpy
  readonly provider: RelayedSpy
  readonly blocks: ReadonlyArray<Awaited<ReturnType<typeof block>>>
  reader (init: ContentRoutingOptions): Promise<Reader>
}

/** A relay of js-libp2p, a provider behind it, and as many nodes that read as are asked for */
async function scene ({ limited = false } = {}): Promise<Scene> {
  const blocks = await Promise.all(['behind a relay', 'there too', 'and there'].map(block))
  const relay = await relaySpy(open, { limited })

  return {
    relay,
    provider: await relayedSpy(open, relay, { has: blocks }),
    blocks,
    async reader (init) {
      // so that the two have to agree on how to get past the relay
      const closed = await closedPort()
      open.defer(async () => { await closed.close() })
      const libp2p = await relayingLibp2p(open, closed.port)
      const contentRouting = contentRoutingFor(libp2p, { allowAddresses: LOOPBACK, ...init })
      await contentRouting.start()
      open.defer(async () => { await contentRouting.stop() })
      return { id: libp2p.peerId.toString(), libp2p, contentRouting }
    }
  }
}

/** How the two are connected */
function ways ({ libp2p }: { libp2p: Libp2p }, other: string): string[] {
  return libp2p.getConnections().filter(({ remotePeer }) => remotePeer.toString() === other).map(({ remoteAddr }) => remoteAddr.toString().includes('/p2p-circuit') ? 'relayed' : 'direct')
}

/** The provider knows what the node speaks: whether it makes a connection direct is decided by then */
async function knows (provider: RelayedSpy, { id }: Reader): Promise<readonly string[]> {
  const protocols = (): readonly string[] | undefined => provider.identified.find(({ peerId }) => peerId.toString() === id)?.protocols
  await vi.waitFor(() => { expect(protocols()).toBeDefined() }, { timeout: 10_000 })
  return protocols() ?? []
}

describe('a provider behind a relay', () => {
  it.each(['open', 'balanced'] as const)('is reached through any in mode %s, and then directly', async mode => {
    const { relay, provider, blocks: [wanted], reader } = await scene()
    const node = await reader({ mode })
    expect(await reads(node, wanted!.cid, { providers: [provider.relayed], timeout: 15_000 })).toBe(true)
    expect(relay.visitors).toContain(node.id)
    expect(provider.learnt(wanted!.cid).map(({ from }) => from)).toEqual([node.id])
    await vi.waitFor(() => { expect(ways(node, provider.id)).toContain('direct') }, { timeout: 20_000 })
    expect(await knows(provider, node)).toContain(DCUTR)
    expect(provider.protocols).toContain(DCUTR)
  })

  it('is not reached in mode strict where the relay is not named: that one sees no connection', async () => {
    const { relay, provider, blocks: [wanted], reader } = await scene()
    const stranger = await relaySpy(open)
    const node = await reader({ mode: 'strict', relays: [stranger.id] })
    expect(await reads(node, wanted!.cid, { providers: [provider.relayed] })).toBe(false)
    expect(String(node.contentRouting.explain(wanted!.cid))).toContain('a relay that was not named')
    expect([relay.visitors.includes(node.id), provider.told, node.libp2p.getConnections()]).toEqual([false, [], []])
  })

  it.each([
    ['its peer id', (relay: RelaySpy) => ({ relays: [relay.id] })],
    ['its address', (relay: RelaySpy) => ({ relays: [relay.address] })],
    ['an own provider behind it', (_: RelaySpy, { relayed }: RelayedSpy) => ({ providers: [relayed] })],
    ['a sibling behind it', (_: RelaySpy, { relayed }: RelayedSpy) => ({ siblings: [relayed] })]
  ])('is reached in mode strict through one that is named by %s, and nothing is made direct', async (_, named) => {
    const { relay, provider, blocks, reader } = await scene()
    const node = await reader({ mode: 'strict', ...named(relay, provider) })

    for (const { cid } of blocks) {
      expect(await reads(node, cid, { providers: [provider.relayed], timeout: 15_000 })).toBe(true)
    }
    expect(relay.visitors.filter(id => id === node.id)).toHaveLength(1)
    expect(await knows(provider, node)).not.toContain(DCUTR)
    expect(provider.protocols).not.toContain(DCUTR)
    expect(ways(node, provider.id)).toEqual(['relayed'])
    expect(ways(provider, node.id)).toEqual(['relayed'])
  })

  it('is not reached by a single strict read of a node that makes relayed connections direct', async () => {
    const { relay, provider, blocks: [wanted, more], reader } = await scene()
    const node = await reader({ mode: 'balanced', relays: [relay.id] })
    expect(await reads(node, wanted!.cid, { providers: [provider.relayed], mode: 'strict' })).toBe(false)
    expect(String(node.contentRouting.explain(wanted!.cid))).toContain('hole punching (DCUtR) is on')
    expect([relay.visitors.includes(node.id), provider.told]).toEqual([false, []])

    // where there is nothing that would, it is
    await (node.libp2p.services as unknown as { dcutr: { stop (): Promise<void> } }).dcutr.stop()
    expect(await reads(node, more!.cid, { providers: [provider.relayed], mode: 'strict', timeout: 15_000 })).toBe(true)
    expect(await knows(provider, node)).not.toContain(DCUTR)
    expect(ways(node, provider.id)).toEqual(['relayed'])
  })

  it('is asked nothing in any mode where the relay counts bytes', async () => {
    const { relay, provider, blocks: [wanted], reader } = await scene({ limited: true })
    const node = await reader({ mode: 'strict', relays: [relay.id] })
    expect(await reads(node, wanted!.cid, { providers: [provider.relayed] })).toBe(false)
    expect(provider.told).toEqual([])
  })

  it('is what a node makes direct again when its content routing has stopped', async () => {
    const { provider, reader } = await scene()
    const node = await reader({ mode: 'strict' })
    await node.contentRouting.stop()
    await node.libp2p.dial(multiaddr(provider.relayed))
    await vi.waitFor(() => { expect(provider.protocols).toContain(DCUTR) }, { timeout: 20_000 })
  })
})

describe('a relay that is named', () => {
  it.each(['nobody', '', 7])('has to be a peer: %j is refused', async relay => {
    await using stack = new AsyncDisposableStack()
    const libp2p = await relayingLibp2p(stack)
    expect(() => contentRoutingFor(libp2p, { relays: [relay as string] })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('a relay must be a peer id') as string }) as Error)
  })
})
