import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { AFFINITY_PREFIX, Affinity, DEFAULT_AFFINITY } from '../../src/routing/affinity.ts'
import { ProviderGroup } from '../../src/routing/provider-group.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { unpublished } from './support/world.ts'
import type { Provider } from '../../src/interface/provider.ts'
import type { Datastore } from 'interface-datastore'

function provider (name: string, init: Partial<Provider> = {}): Provider {
  return { id: `http:${name}.example`, addresses: [`http://${name}.example`], protocols: ['transport-ipfs-gateway-http'], source: 'test', fallback: false, domains: [`name:${name}`], ...init }
}

const root = (n: number): string => blockKey(unpublished(n))

async function stored (datastore: Datastore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of datastore.query({})) {
    keys.push(key.toString())
  }
  return keys
}

describe('ProviderGroup', () => {
  it('never holds more than its limit and never puts a deliverer out', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.constantFrom('add', 'delivered', 'lacked'), fc.integer({ min: 0, max: 9 }))),
      (limit, steps) => {
        const group = new ProviderGroup(root(1), unpublished(1), limit)
        const deliverers = new Set<string>()

        for (const [what, n] of steps) {
          const one = provider(`p${n}`)

          if (what === 'add') {
            group.add(one)
          } else if (what === 'delivered') {
            group.delivered(one)
            if (group.get(one.id) != null) {
              deliverers.add(one.id)
            }
          } else {
            group.lacked(one.id)
          }

          expect(group.size).toBeLessThanOrEqual(limit)
          expect([...group.members].filter(member => member.delivered > 0).map(member => member.provider.id).sort()).toEqual([...deliverers].sort())
          expect(group.deliverers).toBe(deliverers.size)
        }
      }
    ))
  })

  it('puts out who lacked most to make room', () => {
    const group = new ProviderGroup(root(1), unpublished(1), 2)
    group.add(provider('a'))
    group.add(provider('b'))
    group.lacked('http:b.example')
    group.add(provider('c'))
    expect([...group.members].map(member => member.provider.id)).toEqual(['http:a.example', 'http:c.example'])
  })

  it('takes the newest word about a provider and keeps its record', () => {
    const group = new ProviderGroup(root(1), unpublished(1))
    group.delivered(provider('a'))
    group.add(provider('a', { addresses: ['http://moved.example'] }))
    expect(group.get('http:a.example')).toMatchObject({ delivered: 1, provider: { addresses: ['http://moved.example'] } })
  })

  it('believes more in who delivered and less in who lacked, and never for certain', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }), (delivered, lacked) => {
      const group = new ProviderGroup(root(1), unpublished(1))
      const one = provider('a')
      group.add(one)
      for (let i = 0; i < delivered; i++) {
        group.delivered(one)
      }
      for (let i = 0; i < lacked; i++) {
        group.lacked(one.id)
      }
      const before = group.has(one.id)
      group.lacked(one.id)
      const less = group.has(one.id)
      group.delivered(one)
      const more = group.has(one.id)
      expect(Math.min(before, less, more)).toBeGreaterThan(0)
      expect(Math.max(before, less, more)).toBeLessThan(1)
      // where all answers were alike, one more of the same changes nothing
      expect(delivered === 0 ? less <= before : less < before).toBe(true)
      expect(more).toBeGreaterThan(less)
    }))
  })

  it('believes a little in strangers, and that eight lacks are soon forgiven', () => {
    const group = new ProviderGroup(root(1), unpublished(1))
    const one = provider('a')
    group.add(one)
    expect(group.has('http:stranger.example')).toBe(group.has(one.id))
    for (let i = 0; i < 10_000; i++) {
      group.lacked(one.id)
    }
    expect(group.has(one.id)).toBeGreaterThan(0.1)
  })
})

describe('Affinity', () => {
  it('keeps one group per root, the most recently used ones', () => {
    const affinity = new Affinity({ ...DEFAULT_AFFINITY, roots: 3 })
    const first = affinity.group(root(1), unpublished(1))
    affinity.group(root(2))
    affinity.group(root(3))
    expect(affinity.group(root(1))).toBe(first)
    affinity.group(root(4))
    expect(affinity.size).toBe(3)
    expect(affinity.group(root(1))).toBe(first)
    first.delivered(provider('a'))
    affinity.group(root(5))
    affinity.group(root(6))
    affinity.group(root(7))
    expect(affinity.group(root(1)).size).toBe(0)
  })

  it('has a CID for a root known by its key alone: routers go by the multihash', () => {
    const group = new Affinity().group(root(1))
    expect(blockKey(group.cid)).toBe(root(1))
  })

  it('knows the root and the size of a linked block, as many as it may', () => {
    const affinity = new Affinity({ ...DEFAULT_AFFINITY, links: 2 })
    affinity.link('root', [{ key: 'root', size: 1 }, { key: 'a', size: 5 }, { key: 'b' }])
    expect(affinity.parent('root')).toBeUndefined()
    expect(affinity.parent('a')).toEqual({ root: 'root', size: 5 })
    expect(affinity.parent('b')).toEqual({ root: 'root', size: undefined })
    affinity.link('root', [{ key: 'c' }])
    expect(['a', 'b', 'c'].filter(key => affinity.parent(key) != null)).toHaveLength(2)
    expect(affinity.parent('c')?.root).toBe('root')
  })

  it('gives the deliverers back after a restart, and nobody else', async () => {
    const datastore = new MemoryDatastore()
    const before = new Affinity()
    const group = before.group(root(1))
    group.add(provider('named'))
    group.delivered(provider('once'))
    group.delivered(provider('often', { fallback: true }))
    group.delivered(provider('often', { fallback: true }))
    before.group(root(2)).add(provider('named'))
    await before.save(datastore)
    expect(await stored(datastore)).toEqual([`${AFFINITY_PREFIX}/${root(1)}`])

    const after = new Affinity()
    await after.load(datastore, silentLogger)
    const again = after.group(root(1))
    expect([...again.members].map(member => member.provider)).toEqual([
      { ...provider('often', { fallback: true }), source: 'affinity' },
      { ...provider('once'), source: 'affinity' }
    ])
    expect(again.deliverers).toBe(2)
  })

  it('writes only what changed', async () => {
    const datastore = new MemoryDatastore()
    const affinity = new Affinity()
    affinity.group(root(1)).delivered(provider('a'))
    await affinity.save(datastore)
    await datastore.delete(new Key(`${AFFINITY_PREFIX}/${root(1)}`))
    affinity.group(root(1)).delivered(provider('a'))
    await affinity.save(datastore)
    expect(await stored(datastore)).toEqual([])
    affinity.group(root(1)).delivered(provider('b'))
    await affinity.save(datastore)
    expect(await stored(datastore)).toHaveLength(1)
  })

  it('deletes the entries of roots that it no longer remembers', async () => {
    const datastore = new MemoryDatastore()
    const affinity = new Affinity({ ...DEFAULT_AFFINITY, roots: 2 })
    for (let i = 0; i < 6; i++) {
      affinity.group(root(i)).delivered(provider('a'))
      await affinity.save(datastore)
    }
    expect((await stored(datastore)).sort()).toEqual([4, 5].map(i => `${AFFINITY_PREFIX}/${root(i)}`).sort())
  })

  it.each([
    ['no JSON', '{"'],
    ['no list', '{"id":5}'],
    ['null', 'null'],
    ['a list of something else', '[5]'],
    ['an id of an unknown kind', JSON.stringify([{ ...provider('a'), id: 'ftp:a' }])],
    ['addresses that are no strings', JSON.stringify([{ ...provider('a'), addresses: [5] }])],
    ['no domains', JSON.stringify([{ ...provider('a'), domains: undefined }])],
    ['a provider with nine addresses', JSON.stringify([provider('a', { addresses: Array.from({ length: 9 }, (_, i) => `http://a${i}.example`) })])],
    ['a provider with nine protocols', JSON.stringify([provider('a', { protocols: Array.from({ length: 9 }, (_, i) => `transport-${i}`) })])],
    ['a provider in seventeen domains', JSON.stringify([provider('a', { domains: Array.from({ length: 17 }, (_, i) => `name:a${i}`) })])],
    ['an address that is a novel', JSON.stringify([provider('a', { addresses: [`http://${'a'.repeat(10_000)}.example`] })])],
    ['more than an entry can have', JSON.stringify(Array.from({ length: 600 }, (_, i) => provider(`p${i}`, { addresses: [`http://${'a'.repeat(100)}.example`] })))]
  ])('drops an entry that holds %s, and loads the others', async (_what, value) => {
    const datastore = new MemoryDatastore()
    await datastore.put(new Key(`${AFFINITY_PREFIX}/${root(1)}`), new TextEncoder().encode(value))
    const before = new Affinity()
    before.group(root(2)).delivered(provider('a'))
    await before.save(datastore)
    const after = new Affinity()
    await after.load(datastore, silentLogger)
    expect(after.size).toBe(1)
    expect(after.stats()).toEqual({ dropped: 1 })
    expect(after.group(root(2)).deliverers).toBe(1)
    // and it is not read again
    await after.save(datastore)
    expect(await stored(datastore)).toEqual([`${AFFINITY_PREFIX}/${root(2)}`])
  })

  it('drops an entry whose key is no root', async () => {
    const datastore = new MemoryDatastore()
    await datastore.put(new Key(`${AFFINITY_PREFIX}/nonsense`), new TextEncoder().encode(JSON.stringify([provider('a')])))
    const affinity = new Affinity()
    await affinity.load(datastore, silentLogger)
    expect([affinity.size, affinity.stats().dropped]).toEqual([0, 1])
    await affinity.save(datastore)
    expect(await stored(datastore)).toEqual([])
  })

  it('loads no more deliverers per root than it may keep, and forgets no root for having more', async () => {
    const datastore = new MemoryDatastore()
    const before = new Affinity({ ...DEFAULT_AFFINITY, providers: 100 })
    for (let i = 0; i < 100; i++) {
      before.group(root(1)).delivered(provider(`p${i}`))
    }
    await before.save(datastore)
    const after = new Affinity({ ...DEFAULT_AFFINITY, providers: 4 })
    await after.load(datastore, silentLogger)
    expect([after.group(root(1)).size, after.stats().dropped]).toEqual([4, 0])
  })

  it('reads whatever it has written, whatever a source had said', async () => {
    const text = fc.oneof(fc.string(), fc.string({ maxLength: 5_000, size: 'max' }))
    const anyProvider = fc.record({
      id: fc.tuple(fc.constantFrom('p2p:', 'http:', 'broker:'), text).map(([kind, name]) => `${kind}${name}` as const),
      addresses: fc.array(text, { maxLength: 40 }),
      protocols: fc.array(text, { maxLength: 40 }),
      domains: fc.array(text, { maxLength: 40 }),
      source: text,
      fallback: fc.boolean()
    })
    await fc.assert(fc.asyncProperty(fc.array(anyProvider, { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), async (providers, limit) => {
      const datastore = new MemoryDatastore()
      const before = new Affinity({ ...DEFAULT_AFFINITY, providers: limit })
      providers.forEach(one => { before.group(root(1)).delivered(one as Provider) })
      await before.save(datastore)
      const after = new Affinity({ ...DEFAULT_AFFINITY, providers: limit })
      await after.load(datastore, silentLogger)
      expect(after.stats().dropped).toBe(0)
      for (const { provider: { addresses, protocols, domains } } of after.group(root(1)).members) {
        expect(Math.max(addresses.length, protocols.length, domains.length / 2)).toBeLessThanOrEqual(8)
      }
    }), { numRuns: 20 })
  })

  it('loads no more roots than it may keep', async () => {
    const datastore = new MemoryDatastore()
    const before = new Affinity()
    for (let i = 0; i < 10; i++) {
      before.group(root(i)).delivered(provider('a'))
    }
    await before.save(datastore)
    const after = new Affinity({ ...DEFAULT_AFFINITY, roots: 4 })
    await after.load(datastore, silentLogger)
    expect(after.size).toBe(4)
  })

  it('gives a datastore that refused one write the deliverers with the next', async () => {
    const datastore = new MemoryDatastore()
    let broken = true
    const flaky = new Proxy(datastore, {
      get (target, name) {
        if (name === 'batch') {
          return () => {
            const batch = target.batch()
            return { put: batch.put, delete: batch.delete, commit: async () => { if (broken) { throw new Error('disk full') } await batch.commit() } }
          }
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      }
    }) as unknown as Datastore
    const affinity = new Affinity()
    affinity.group(root(1)).delivered(provider('a'))
    await affinity.save(flaky).catch(() => {})
    broken = false
    await affinity.save(flaky)
    const again = new Affinity()
    await again.load(datastore, silentLogger)
    expect(again.group(root(1)).deliverers).toBe(1)
  })

  it('keeps nothing of roots that were never stored: there is nothing to delete', async () => {
    const affinity = new Affinity({ roots: 10, providers: 2, links: 10 })
    let deletes = 0
    const datastore = new MemoryDatastore()
    const counting = { batch: () => { const batch = datastore.batch(); return { ...batch, delete: () => { deletes++ }, put: () => {}, commit: async () => {} } } } as unknown as Datastore
    for (let i = 0; i < 5_000; i++) {
      affinity.group(root(i))
    }
    await affinity.save(counting)
    expect(deletes).toBeLessThan(100)
  })
})
