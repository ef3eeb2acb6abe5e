import { afterEach, beforeEach, expect, it } from 'vitest'
import { PRIVACY_PRESETS } from '../../src/interface/privacy-preset.ts'
import { portolan } from './modes/nodes.ts'
import { KAD, block, httpSpy, peerSpy } from './modes/spies.ts'
import type { PortolanInit, Portolan } from '../../src/portolan.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'

/** What a mode costs a read: printed, for docs/privacy-model.md. Nodes of all modes read in turns, so that what the machine does besides is the same for all */

const MODES = Object.keys(PRIVACY_PRESETS) as PrivacyMode[]
const READS = 15
/** Share of the delay that no lookup leaves before */
const LEAST = PRIVACY_PRESETS.strict.lookupDelay / 4

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

/** Of all of them, or what the worst one cost */
type Figure = 'median' | 'longest'

function figure (times: readonly number[], which: Figure): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[which === 'median' ? Math.floor(sorted.length / 2) : sorted.length - 1] ?? NaN
}

async function costs (what: string, init: PortolanInit, blocks: ReadonlyArray<Awaited<ReturnType<typeof block>>>, { hints = [], which = 'median' }: { hints?: readonly string[], which?: Figure } = {}): Promise<Record<PrivacyMode, number>> {
  const nodes = new Map<PrivacyMode, Portolan>()
  const times: Record<PrivacyMode, number[]> = { open: [], balanced: [], strict: [] }

  for (const mode of MODES) {
    nodes.set(mode, await portolan(open, { ...init, mode }))
  }
  for (const { cid, bytes } of blocks) {
    for (const [mode, node] of nodes) {
      const from = performance.now()
      expect(await node.contentRouting.retrieve(cid, { providers: hints, timeout: 20_000 })).toEqual(bytes)
      times[mode].push(performance.now() - from)
    }
  }
  const figures = { open: figure(times.open, which), balanced: figure(times.balanced, which), strict: figure(times.strict, which) }
  console.info(`${what}: ${MODES.map(mode => `${mode} ${figures[mode].toFixed(0)} ms`).join(', ')} (${which} of ${blocks.length})`)
  return figures
}

it('is nothing where a provider is named, and the wait for others where one is looked up, or the first one is silent', async () => {
  const blocks = await Promise.all(Array.from({ length: READS }, async (_, i) => block(`cost ${i}`)))
  const gateway = await httpSpy(open, { has: blocks })
  const [holder, silent] = [await peerSpy(open, { has: blocks }), await peerSpy(open, { silent: true })]
  const servers = await Promise.all(Array.from({ length: 8 }, async () => peerSpy(open, { names: () => [holder] })))

  await costs('from a gateway that was named', { providers: [gateway.url] }, blocks)
  const looked = await costs('from a peer found in a DHT of 8', { bootstrap: servers.map(({ address }) => address), dhtProtocol: KAD }, blocks)
  expect(looked.strict).toBeGreaterThanOrEqual(LEAST)
  await costs('from one of two peers, of which the other is silent', {}, blocks, { hints: [silent.address, holder.address], which: 'longest' })
}, 120_000)
