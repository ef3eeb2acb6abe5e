import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { blockVerifier } from '../../src/block/verify.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import type { DisclosureEntry } from '../../src/interface/disclosure.ts'
import type { FetchError } from '../../src/interface/errors.ts'
import type { Request } from '../../src/interface/request.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => i)

interface Seen {
  /** The outcome, or the name of what was thrown */
  readonly outcome: string
  readonly bytes?: Uint8Array
  readonly error?: FetchError
  readonly took: number
  readonly phases: ReadonlyArray<{ phase: string, at: number }>
  readonly pieces: ReadonlyArray<{ n: number, at: number }>
  readonly disclosed: string
}

function request (signal: AbortSignal, disclosures: DisclosureEntry[] = []): Request {
  return {
    id: 'r1',
    purpose: 'read',
    mode: 'open',
    signal,
    deadline: Infinity,
    priority: 0,
    hints: [],
    disclose: init => {
      const disclosure = new Disclosure({ intended: () => {}, settled: () => {} }, init, { request: 'r1', purpose: 'read', at: 0 })
      disclosures.push(disclosure)
      return disclosure
    }
  }
}

/** Asks one provider once through the network's fetcher */
async function ask (network: SimulatedNetwork, provider: Pick<SimulatedProvider, 'route'>, cid: CID, signal = new AbortController().signal): Promise<Seen> {
  const { clock } = network
  const started = clock.now()
  const phases: Array<{ phase: string, at: number }> = []
  const pieces: Array<{ n: number, at: number }> = []
  const disclosures: DisclosureEntry[] = []
  const seen = (rest: Pick<Seen, 'outcome' | 'bytes' | 'error'>): Seen => ({
    ...rest, took: clock.now() - started, phases, pieces, disclosed: disclosures.map(({ state }) => state).join()
  })

  try {
    const bytes = await network.fetcher.fetch({ cid, key: blockKey(cid), maxBytes: 2 ** 21 }, provider.route, {
      request: request(signal, disclosures),
      signal,
      phase: phase => { phases.push({ phase, at: clock.now() - started }) },
      bytes: n => { pieces.push({ n, at: clock.now() - started }) },
      verify: async () => {}
    })
    return seen({ outcome: 'delivered', bytes })
  } catch (err) {
    return seen({ outcome: (err as FetchError).outcome ?? (err as Error).message, error: err as FetchError })
  }
}

const sum = (pieces: Seen['pieces']): number => pieces.reduce((n, piece) => n + piece.n, 0)

describe('a simulated provider', () => {
  it('delivers after its latency', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const seen = await network.clock.run(ask(network, network.add('good', { latency: 30 }), cid))
    expect(seen).toMatchObject({ outcome: 'delivered', bytes: BYTES, took: 30, disclosed: 'sent', phases: [{ phase: 'connected', at: 0 }, { phase: 'first-byte', at: 30 }] })
    expect(sum(seen.pieces)).toBe(BYTES.byteLength)
  })

  it('takes time to connect, and again after a silence', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const provider = network.add('far', { latency: 10, connect: 100 })
    const ask1 = async (): Promise<number> => (await network.clock.run(ask(network, provider, cid))).took
    expect(await ask1()).toBe(110)
    expect(await ask1()).toBe(10)
    await network.clock.advance(29_000)
    expect(await ask1()).toBe(10)
    await network.clock.advance(31_000)
    expect(await ask1()).toBe(110)
  })

  it('sends at its throughput, in pieces', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const seen = await network.clock.run(ask(network, network.add('thin', { latency: 10, throughput: 100 }), cid))
    expect(seen.took).toBeCloseTo(10 + 1_000)
    expect(seen.pieces.length).toBeGreaterThan(3)
    expect(sum(seen.pieces)).toBe(BYTES.byteLength)
  })

  it('sends over its line what all ask for, in turns', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const provider = network.add('shared', { latency: 10, line: 100 })
    const alone = await network.clock.run(ask(network, provider, cid))
    expect(alone.took).toBeCloseTo(10 + 1_000)
    const all = await network.clock.run(Promise.all([1, 2, 3].map(async () => ask(network, provider, cid))))
    expect(Math.max(...all.map(({ took }) => took))).toBeCloseTo(10 + 3_000)
    // each has a share of it all the time
    expect(Math.min(...all.map(({ took }) => took))).toBeGreaterThan(2_500)
    // another's is its own
    const others = [provider, network.add('other', { latency: 10, line: 100 })]
    const both = await network.clock.run(Promise.all(others.map(async one => ask(network, one, cid))))
    expect(both.map(({ took }) => Math.round(took))).toEqual([1_010, 1_010])
  })

  it('with a line that bears nothing sends nothing, until given up', async () => {
    const network = new SimulatedNetwork()
    const leaving = new AbortController()
    const asking = ask(network, network.add('cut', { latency: 10, line: 0 }), network.block(BYTES), leaving.signal)
    await network.clock.advance(1e6)
    leaving.abort(new Error('enough'))
    await network.clock.advance(0)
    expect(sum((await asking).pieces)).toBe(0)
  })

  it('with no throughput at all sends nothing, until given up', async () => {
    const network = new SimulatedNetwork()
    for (const bytes of [BYTES, new Uint8Array(0)]) {
      const cid = network.block(bytes)
      const leaving = new AbortController()
      const asking = ask(network, network.add('blocked', { latency: 10, throughput: 0 }), cid, leaving.signal)
      await network.clock.advance(1e6)
      leaving.abort(new Error('enough'))
      await network.clock.advance(0)
      expect(await asking).toMatchObject({ outcome: 'enough', pieces: [] })
    }
  })

  it('that is silent, or a black hole, answers when given up', async () => {
    for (const behaviour of [{ silent: true }, { blackHoles: 1 }]) {
      const network = new SimulatedNetwork()
      const leaving = new AbortController()
      const provider = network.add('silent', behaviour)
      const asking = ask(network, provider, network.block(BYTES), leaving.signal)
      await network.clock.advance(1e6)
      expect(provider.requests).toMatchObject([{ outcome: 'pending', bytes: 0 }])
      leaving.abort(new Error('enough'))
      expect(await asking).toMatchObject({ outcome: 'enough', took: 1e6, disclosed: 'sent', phases: [{ phase: 'connected', at: 0 }] })
      expect(provider.requests).toMatchObject([{ outcome: 'aborted', bytes: 0 }])
      expect(network.clock.pending).toBe(0)
    }
  })

  it('answers at once to one that had given up before', async () => {
    for (const behaviour of [{}, { silent: true }, { connect: 5 }, { down: true }, { stallsAfter: 0.5, latency: 0 }]) {
      const network = new SimulatedNetwork()
      const seen = await network.clock.run(ask(network, network.add('p', behaviour), network.block(BYTES), AbortSignal.abort(new Error('enough'))))
      expect(seen).toMatchObject({ outcome: 'enough', took: 0 })
    }
  })

  it('that lies sends something else, of the same length and never the same', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async bytes => {
      const network = new SimulatedNetwork()
      const seen = await network.clock.run(ask(network, network.add('liar', { garbage: true }), network.block(bytes)))
      expect(seen.outcome).toBe('delivered')
      expect(seen.bytes).not.toEqual(bytes)
      expect(seen.bytes?.byteLength).toBe(Math.max(1, bytes.byteLength))
    }))
    const network = new SimulatedNetwork()
    expect(await network.clock.run(ask(network, network.add('empty', { empty: true }), network.block(BYTES)))).toMatchObject({ outcome: 'delivered', bytes: new Uint8Array(0) })
  })

  it('has the share of the blocks it says, always the same ones, and not those of its neighbour', async () => {
    const network = new SimulatedNetwork()
    const a = network.add('a', { has: 0.5 })
    const b = network.add('b', { has: 0.5 })
    const keys = Array.from({ length: 2_000 }, (_, i) => blockKey(network.block(new TextEncoder().encode(`${i}`))))
    const held = keys.filter(key => a.hasBlock(key))
    expect(Math.abs(held.length - 1_000)).toBeLessThan(150)
    expect(keys.filter(key => a.hasBlock(key))).toEqual(held)
    expect(Math.abs(keys.filter(key => a.hasBlock(key) && b.hasBlock(key)).length - 500)).toBeLessThan(120)
    // more of them are these and others
    a.behaviour.has = 0.8
    expect(held.every(key => a.hasBlock(key))).toBe(true)
    a.behaviour.has = 0
    expect(keys.some(key => a.hasBlock(key))).toBe(false)
  })

  it('says no to what it does not have', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    expect(await network.clock.run(ask(network, network.add('partial', { has: 0, latency: 7 }), cid))).toMatchObject({ outcome: 'not-here', took: 7, disclosed: 'sent' })
    network.drop(cid)
    expect(await network.clock.run(ask(network, network.add('whole'), cid))).toMatchObject({ outcome: 'not-here' })
  })

  it('refuses', async () => {
    const network = new SimulatedNetwork()
    expect(await network.clock.run(ask(network, network.add('closed', { refuses: true }), network.block(BYTES)))).toMatchObject({ outcome: 'refused', disclosed: 'sent' })
  })

  it('that is down refuses connections: nothing was disclosed', async () => {
    const network = new SimulatedNetwork()
    expect(await network.clock.run(ask(network, network.add('down', { down: true }), network.block(BYTES)))).toMatchObject({ outcome: 'unreachable', phases: [], disclosed: 'not-sent' })
  })

  it('flaps: up for a while, down for a while', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    await network.clock.advance(12_345)
    const provider = network.add('flapping', { latency: 0, flaps: { up: 1_000, down: 500 } })
    const seen: string[] = []
    for (let t = 0; t < 3_000; t += 250) {
      const [{ outcome }] = await Promise.all([ask(network, provider, cid), network.clock.advance(250)])
      seen.push(outcome === 'delivered' ? 'up' : outcome)
    }
    const cycle = ['up', 'up', 'up', 'up', 'unreachable', 'unreachable']
    expect(seen).toEqual([...cycle, ...cycle])
  })

  it('under a rate limit takes so many per second, and those who come back when told are served', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const provider = network.add('busy', { latency: 0, rateLimit: 10 })
    const burst = await network.clock.run(Promise.all(Array.from({ length: 15 }, async () => ask(network, provider, cid))))
    expect(burst.filter(({ outcome }) => outcome === 'delivered')).toHaveLength(10)
    expect(burst.filter(({ outcome }) => outcome === 'overloaded')).toHaveLength(5)
    let delivered = 0
    for (let i = 0; i < 1_000; i++) {
      const [seen] = await Promise.all([ask(network, provider, cid), network.clock.advance(50)])
      delivered += seen.outcome === 'delivered' ? 1 : 0
    }
    expect(delivered).toBeGreaterThanOrEqual(499)
    expect(delivered).toBeLessThanOrEqual(501)

    await fc.assert(fc.asyncProperty(fc.double({ min: 0.001, max: 50, noNaN: true }), fc.nat(100), async (rateLimit, times) => {
      const network = new SimulatedNetwork()
      const cid = network.block(BYTES)
      const provider = network.add('busy', { latency: 0, rateLimit })
      for (let i = 0; i < times; i++) {
        const seen = await network.clock.run(ask(network, provider, cid))
        if (seen.outcome === 'overloaded') {
          expect(seen.error?.retryAfter).toBeLessThanOrEqual(1_000 / rateLimit)
          await network.clock.advance(seen.error?.retryAfter ?? 0)
          expect((await network.clock.run(ask(network, provider, cid))).outcome).toBe('delivered')
        }
      }
    }), { numRuns: 20, endOnFailure: true })
  })

  it('can be put under a rate limit while it runs', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const provider = network.add('busy', { latency: 0 })
    provider.behaviour.rateLimit = 3
    const burst = await network.clock.run(Promise.all(Array.from({ length: 5 }, async () => ask(network, provider, cid))))
    expect(burst.filter(({ outcome }) => outcome === 'delivered')).toHaveLength(3)
  })

  it('stalls in the middle of a transfer', async () => {
    for (const throughput of [Infinity, 100]) {
      const network = new SimulatedNetwork()
      const leaving = new AbortController()
      const provider = network.add('stalling', { latency: 10, throughput, stallsAfter: 0.25 })
      const asking = ask(network, provider, network.block(BYTES), leaving.signal)
      await network.clock.advance(1e6)
      leaving.abort(new Error('enough'))
      const seen = await asking
      expect(seen).toMatchObject({ outcome: 'enough', phases: [{ phase: 'connected' }, { phase: 'first-byte', at: 10 }] })
      expect(sum(seen.pieces)).toBe(25_000)
      expect(provider.bytesSent).toBe(25_000)
    }
  })

  it('counts the bytes of a cancelled transfer that were sent, and no more', async () => {
    const network = new SimulatedNetwork()
    const leaving = new AbortController()
    const provider = network.add('thin', { latency: 0, throughput: 100 })
    const asking = ask(network, provider, network.block(BYTES), leaving.signal)
    await network.clock.advance(500)
    leaving.abort(new Error('enough'))
    const { pieces } = await asking
    expect(sum(pieces)).toBeGreaterThan(30_000)
    expect(sum(pieces)).toBeLessThanOrEqual(50_000)
    expect(provider.bytesSent).toBe(sum(pieces))
    expect(network.bytesSent).toBe(sum(pieces))
    expect(provider.requests[0]?.bytes).toBe(sum(pieces))
    await network.clock.advance(1e6)
    expect(provider.bytesSent).toBe(sum(pieces))
  })

  it('draws latencies as it was told: median, spread, stragglers, black holes', () => {
    const draws = (behaviour: object): number[] => {
      const provider = new SimulatedNetwork({ seed: 9 }).add('p', behaviour)
      return Array.from({ length: 20_000 }, () => provider.drawLatency()).sort((a, b) => a - b)
    }
    const at = (sorted: number[], q: number): number => sorted[Math.floor(q * sorted.length)] ?? NaN
    const spread = draws({ latency: 40, sigma: 0.35 })
    expect(at(spread, 0.5) / 40).toBeCloseTo(1, 1)
    expect(at(spread, 0.95) / 40).toBeCloseTo(Math.exp(1.645 * 0.35), 1)
    expect(draws({ latency: 40, factor: 8 }).every(ms => ms === 320)).toBe(true)
    const strange = draws({ latency: 40, stragglers: 0.1, blackHoles: 0.05 })
    expect(strange.filter(ms => ms === Infinity).length / 20_000).toBeCloseTo(0.05, 2)
    expect(strange.filter(ms => ms === 400).length / 20_000).toBeCloseTo(0.095, 2)
  })

  it('remembers its last requests, a bounded number, and counts all', async () => {
    const network = new SimulatedNetwork()
    const provider = network.add('p', { latency: 0 })
    const cid = network.block(new Uint8Array(1))
    await network.clock.run(Promise.all(Array.from({ length: 10_050 }, async () => ask(network, provider, cid))))
    expect(provider.requests).toHaveLength(10_000)
    expect(provider.requestCount).toBe(10_050)
    expect(network.requests).toBe(10_050)
  })
})

describe('a simulated network', () => {
  it('finds who is listed, in order and in time', async () => {
    const network = new SimulatedNetwork({ lookupDelay: 100, lookupGap: 10 })
    network.add('a', {}, { domains: ['ip4:192.0.2.0/24'] })
    network.add('b', {}, { unlisted: true })
    network.add('c')
    const found: Array<[string, number]> = []
    await network.clock.run((async () => {
      const { signal } = new AbortController()
      for await (const { id } of network.source.find({ cid: network.block(BYTES), key: 'k' }, request(signal))) {
        found.push([id, network.clock.now()])
      }
    })())
    expect(found).toEqual([['http:a.example', 100], ['http:c.example', 110]])
    expect(network.lookups).toBe(1)
    expect(network.providers.get('a')?.provider.domains).toEqual(['ip4:192.0.2.0/24'])
    // listed after all
    network.add('b')
    expect(await names(network)).toEqual(['http:a.example', 'http:b.example', 'http:c.example'])
  })

  it('fails lookups as told, and gives them up with the request', async () => {
    const network = new SimulatedNetwork({ lookupDelay: 100 })
    network.add('a')
    network.lookupError = new Error('no routers')
    await expect(names(network)).rejects.toThrow('no routers')
    network.lookupError = undefined
    const leaving = new AbortController()
    const looking = names(network, leaving.signal)
    const gone = expect(looking).rejects.toThrow('enough')
    leaving.abort(new Error('enough'))
    await gone
    expect(network.clock.pending).toBe(0)
  })

  it('with the cable pulled reaches nobody, and tells nobody anything', async () => {
    const network = new SimulatedNetwork()
    const provider = network.add('a')
    const cid = network.block(BYTES)
    network.outage = true
    expect(await network.clock.run(ask(network, provider, cid))).toMatchObject({ error: { code: 'ENETUNREACH' }, phases: [], disclosed: 'not-sent' })
    expect(provider.requestCount).toBe(0)
    network.outage = false
    expect((await network.clock.run(ask(network, provider, cid))).outcome).toBe('delivered')
  })

  it('with one failure domain out loses those in it, together, and nobody else', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    const providers = [
      network.add('a', {}, { domains: ['ip4:192.0.2.0/24', 'operator:x'] }),
      network.add('b', {}, { domains: ['operator:x'] }),
      network.add('c', {}, { domains: ['operator:y'] }),
      network.add('d')
    ]
    const outcomes = async (): Promise<string[]> => Promise.all(providers.map(async provider => {
      const { outcome } = await network.clock.run(ask(network, provider, cid))
      return outcome === 'delivered' ? 'up' : 'out'
    }))
    network.outages.add('operator:x')
    expect(await outcomes()).toEqual(['out', 'out', 'up', 'up'])
    network.outages.delete('operator:x')
    expect(await outcomes()).toEqual(['up', 'up', 'up', 'up'])
  })

  it('does not reach whom it does not know', async () => {
    const network = new SimulatedNetwork()
    const elsewhere = new SimulatedNetwork().add('elsewhere')
    expect(network.fetcher.routes(elsewhere.provider)).toEqual([])
    expect(network.fetcher.routes(network.add('here').provider)).toHaveLength(1)
    expect(await network.clock.run(ask(network, elsewhere, network.block(BYTES)))).toMatchObject({ error: { code: 'ENETUNREACH' }, disclosed: 'not-sent' })
  })

  it('publishes blocks that verify, whole DAGs too, and forgets them', async () => {
    const network = new SimulatedNetwork()
    const cid = network.block(BYTES)
    await blockVerifier().verify(cid, BYTES)
    const provider = network.add('a')
    const dag = CID.parse('bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')
    network.put(dag, new Uint8Array([1]))
    expect((await network.clock.run(ask(network, provider, dag))).bytes).toEqual(new Uint8Array([1]))
    network.drop(dag)
    expect((await network.clock.run(ask(network, provider, dag))).outcome).toBe('not-here')
  })

  it('the same seed is the same day', async () => {
    const day = async (seed: number): Promise<unknown> => {
      const network = new SimulatedNetwork({ seed })
      const cid = network.block(BYTES)
      const providers = ['a', 'b', 'c'].map((name, i) => network.add(name, { latency: 20 * i, sigma: 0.5, stragglers: 0.1, has: 0.9 }))
      const seen: unknown[] = []
      await network.clock.run(Promise.all(providers.map(async provider => {
        for (let i = 0; i < 50; i++) {
          const { outcome, took } = await ask(network, provider, cid)
          seen.push([provider.name, outcome, took])
        }
      })))
      return seen
    }
    const first = await day(3)
    expect(await day(3)).toEqual(first)
    expect(await day(4)).not.toEqual(first)
  })
})

it('the silent logger takes everything and says nothing', () => {
  const log = silentLogger.forComponent('portolan:test')
  log('%s', 1)
  log.error('%e', new Error('no'))
  log.trace('%o', {})
  expect(log.enabled).toBe(false)
})

async function names (network: SimulatedNetwork, signal = new AbortController().signal): Promise<string[]> {
  const found: string[] = []
  const looking = (async () => {
    for await (const { id } of network.source.find({ cid: network.block(BYTES), key: 'k' }, request(signal))) {
      found.push(id)
    }
  })()
  await (signal.aborted ? looking : Promise.race([looking, network.clock.advance(1_000).then(async () => looking)]))
  return found
}
