import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { afterEach, describe, expect, it } from 'vitest'
import { composedLedger } from '../../../src/config/ledger-option.ts'
import { withContentRouting } from '../../../src/index.ts'
import { createPortolan } from '../../../src/portolan.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { loopbackProvider } from '../../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../../src/testing/sample-file.ts'
import type { LedgerOption } from '../../../src/config/ledger-option.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { LoopbackProvider } from '../../../src/testing/loopback-provider.ts'
import type { SampleFile } from '../../../src/testing/sample-file.ts'

const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) {
    await each()
  }
})

async function network (): Promise<{ file: SampleFile, provider: LoopbackProvider, directory: string }> {
  const file = await sampleFile({ size: 600_000 })
  const provider = await loopbackProvider({ blocks: file.blocks })
  undo.push(() => provider.close())
  const directory = await mkdtemp(join(tmpdir(), 'portolan-ledger-'))
  undo.push(async () => rm(directory, { recursive: true, force: true }))
  return { file, provider, directory }
}

function about (provider: LoopbackProvider): string {
  return `http:${new URL(provider.url).host}`
}

describe('the ledger of a whole node', () => {
  it('knows who learnt of a read, and that a hit told nobody', async () => {
    const { file, provider } = await network()
    await using node = await createPortolan({ providers: [provider.url] })
    const { ledger } = node.privacy
    await node.contentRouting.retrieve(file.root)

    const before = ledger?.entries() ?? []
    expect(ledger).toBe(node.contentRouting.ledger)
    expect(ledger?.about(file.root).filter(({ form }) => form === 'cid')).toMatchObject([{ observer: about(provider), observerClass: 'gateway', state: 'sent', purpose: 'read', mode: 'balanced', transport: 'http', audience: 'one' }])
    expect(String(node.contentRouting.explain(file.root))).toContain(`learnt by: ${about(provider)} (over http, cid)`)
    expect(node.contentRouting.stats().privacy).toEqual(ledger?.stats())

    await node.contentRouting.retrieve(file.root)
    expect(ledger?.entries()).toEqual(before)
    expect(provider.requests).toHaveLength(1)
    expect(node.privacy.collector.getStatistics().streams).toBe('exact')
    expect(node.privacy.analyze()).toMatchObject({ version: 1, source: 'real' })
  })

  it('knows the node\'s own fleet from strangers', async () => {
    const { file, provider } = await network()
    await using node = await createPortolan({ siblings: [provider.url], allowAddresses: ['127.0.0.0/8'] })
    await node.contentRouting.retrieve(file.root)
    expect(node.privacy.ledger?.about(file.root).filter(({ form }) => form === 'cid').map(({ observerClass }) => observerClass)).toEqual(['sibling'])
  })

  it('has numbers of earlier runs, and the entries too where they are kept as they are', async () => {
    const { file, provider, directory } = await network()
    let read = 0
    for (const [raw, names] of [[false, []], [true, []], [true, [about(provider)]]] as const) {
      const node = await createPortolan({ store: directory, providers: [provider.url], ledger: { raw } })
      undo.push(() => node.stop())
      const { ledger } = node.privacy
      expect([...new Set(ledger?.entries().filter(({ form }) => form === 'cid').map(({ observer }) => observer))]).toEqual(names)
      expect(ledger?.stats()).toMatchObject({ earlier: ledger?.stats().total })
      const cid = file.others[read++]
      await node.contentRouting.retrieve(cid ?? file.root)
      await node.stop()
      expect(ledger?.stats().states.intended).toBe(0)
    }
  })

  it('is none where nobody wants one, and that of the user where he has one', async () => {
    const { file, provider } = await network()
    await using without = await createPortolan({ providers: [provider.url], ledger: false })
    await without.contentRouting.retrieve(file.root)
    expect([without.privacy.ledger, without.contentRouting.ledger, without.contentRouting.stats().privacy]).toEqual([undefined, undefined, undefined])

    const entries: DisclosureEntry[] = []
    await using writing = await createPortolan({ providers: [provider.url], ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } })
    await writing.contentRouting.retrieve(file.root)
    expect(entries.filter(({ form }) => form === 'cid')).toMatchObject([{ observer: about(provider), state: 'sent' }])
    expect(writing.privacy.ledger).toBeUndefined()

    const own = new DisclosureLedger()
    await using mine = await createPortolan({ providers: [provider.url], ledger: own })
    await mine.contentRouting.retrieve(file.root)
    expect(mine.privacy.ledger).toBe(own)
    expect(own.about(file.root)).not.toEqual([])
  })

  it.each<[LedgerOption, string]>([
    ['yes' as unknown as LedgerOption, 'ledger must be true, false, its options or a ledger, got "yes"'],
    [[] as unknown as LedgerOption, 'ledger must be true'],
    [{ maxEntries: -1 }, 'ledger.maxEntries must be a whole number'],
    [{ unknown: 1 } as unknown as LedgerOption, 'ledger has no option "unknown"']
  ])('refuses %j as its options', async (ledger, message) => {
    expect(() => composedLedger(ledger)).toThrow(message)
    await expect(createPortolan({ ledger, start: false })).rejects.toThrow(message)
  })
})

describe('the ledger of a wrapped Helia node', () => {
  it('says when requests go past it, and why', async () => {
    const { file, provider } = await network()
    const helia = await withContentRouting(createHeliaLight(), { providers: [provider.url] }).start()
    undo.push(() => helia.stop())
    const { ledger } = helia.contentRouting
    expect(ledger?.unaccounted()).toEqual([])
    expect(ledger?.stats().paused).toBe(false)

    helia.contentRouting.disable()
    expect(ledger?.unaccounted()).toEqual([{ from: expect.any(Number) as number, reason: 'content routing is disabled' }])
    expect(ledger?.stats().paused).toBe(true)
    helia.contentRouting.enable()
    expect(ledger?.unaccounted()).toEqual([{ from: expect.any(Number) as number, to: expect.any(Number) as number, reason: 'content routing is disabled' }])
    expect(ledger?.stats().paused).toBe(false)

    await all(helia.blockstore.get(file.root))
    expect(ledger?.about(file.root)).not.toEqual([])
    await expect(all(helia.blockstore.get(file.others[0] ?? file.root, { contentRouting: false } as object))).rejects.toThrow()
    expect(ledger?.unaccounted().map(({ reason }) => reason)).toEqual(['content routing is disabled', 'a read asked to go past content routing'])
    expect(ledger?.stats().paused).toBe(false)

    helia.contentRouting.disable()
    await helia.stop()
    expect(ledger?.stats().paused).toBe(false)
  })

  it('does from the start where content routing begins disabled', async () => {
    const helia = await withContentRouting(createHeliaLight(), { enabled: false }).start()
    undo.push(() => helia.stop())
    expect(helia.contentRouting.ledger?.unaccounted()).toMatchObject([{ reason: 'content routing is disabled' }])
    helia.contentRouting.enable()
    expect(helia.contentRouting.ledger?.stats().paused).toBe(false)
  })
})
