import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { sweep } from '../../../src/discovery/announce/sweep.ts'
import { compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { AnnouncedCID } from '../../../src/interface/announce.ts'

function bytes (text: string): Uint8Array {
  return kadKey(new TextEncoder().encode(text))
}

function blocks (count: number): CID[] {
  return Array.from({ length: count }, (_, i) => CID.createV1(raw.code, create(0x12, bytes(`block ${i}`))))
}

/** A network in which every lookup is right, and that remembers who was told what */
class Net {
  readonly peers: KadPeer[]
  readonly records = new Map<string, Set<string>>()
  /** CIDs that a lookup disclosed */
  readonly disclosed: string[] = []
  lookups = 0
  running = 0
  most = 0
  tells = 0
  refuse = (_peer: string): number => Infinity
  lose = (_count: number): boolean => false

  constructor (count: number) {
    this.peers = Array.from({ length: count }, (_, i) => ({ id: `${i}`, key: bytes(`peer ${i}`), addresses: [] }))
  }

  nearest (preimage: Uint8Array): KadPeer[] {
    const key = kadKey(preimage)
    return [...this.peers].sort((a, b) => compareDistance(key, a.key, b.key)).slice(0, 20)
  }

  async run (cids: readonly CID[], signal = new AbortController().signal): Promise<{ swept: AnnouncedCID[], steps: number[] }> {
    const swept: AnnouncedCID[] = []
    const steps: number[] = []

    for await (const progress of sweep(cids, {
      random: seededRandom(1),
      findClosest: async (preimage, { cid }) => {
        if (this.lose(++this.lookups)) {
          throw new Error('nobody answered')
        }
        if (cid != null) {
          expect(cid.multihash.bytes).toEqual(preimage)
          this.disclosed.push(cid.toString())
        }
        return { end: 'settled', closest: this.nearest(preimage) }
      },
      tell: async ({ id }, told) => {
        this.tells++
        this.most = Math.max(this.most, ++this.running)
        await Promise.resolve()
        this.running--
        const taken = told.slice(0, this.refuse(id))
        taken.forEach(cid => { this.records.set(cid.toString(), (this.records.get(cid.toString()) ?? new Set()).add(id)) })
        return taken
      }
    }, { signal })) {
      swept.push(...progress.swept)
      steps.push(progress.lookups)
    }
    return { swept, steps }
  }

  /** Share of the records that are where they belong */
  placement (cids: readonly CID[]): number {
    let right = 0
    let all = 0
    for (const cid of cids) {
      const records = this.records.get(cid.toString())
      for (const { id } of this.nearest(cid.multihash.bytes)) {
        all++
        right += records?.has(id) === true ? 1 : 0
      }
    }
    return right / all
  }
}

describe('a sweep', () => {
  it('places 5 000 records with the lookups of a few', async () => {
    const net = new Net(200)
    const cids = blocks(5_000)
    const { swept, steps } = await net.run(cids)

    expect(net.placement(cids)).toBe(1)
    expect(swept.every(({ holders }) => holders === 20)).toBe(true)
    expect(new Set(swept.map(({ cid }) => cid.toString())).size).toBe(5_000)
    expect(net.lookups).toBeLessThan(50)
    expect(net.disclosed.length).toBeLessThan(20)
    expect(net.most).toBeLessThanOrEqual(10)
    expect(steps.at(-1)).toBe(net.lookups)
    expect(net.tells).toBeLessThan(3_000)
  })

  it('looks few up one by one', async () => {
    for (const count of [1, 2, 5, 20]) {
      const net = new Net(5_000)
      const cids = blocks(count)
      const { swept } = await net.run(cids)
      expect(net.placement(cids)).toBe(1)
      expect(swept).toHaveLength(count)
      // a region that two happen to share may be explored
      expect(net.lookups).toBeLessThanOrEqual(count + 2)
    }
  })

  it('announces a block once, whatever its CID', async () => {
    const net = new Net(50)
    const [cid] = blocks(1) as [CID]
    const { swept } = await net.run([cid, CID.createV1(0x70, cid.multihash), cid])
    expect(swept).toHaveLength(1)
    expect((await net.run([])).swept).toEqual([])
  })

  it('uses all there are when there are fewer than twenty', async () => {
    const net = new Net(7)
    const cids = blocks(100)
    const { swept } = await net.run(cids)
    expect(swept.every(({ holders }) => holders === 7)).toBe(true)
    expect(net.lookups).toBe(1)
  })

  it('counts who took a record', async () => {
    // so few that one lookup places all
    const net = new Net(19)
    net.refuse = id => id === '3' ? 0 : id === '4' ? 5 : Infinity
    const cids = blocks(10)
    const { swept } = await net.run(cids)
    expect(swept.map(({ holders }) => holders)).toEqual([18, 18, 18, 18, 18, 17, 17, 17, 17, 17])
  })

  it('goes on when a lookup fails, and ends when we are cut off', async () => {
    const net = new Net(200)
    net.lose = count => count === 1
    const cids = blocks(1_000)
    const { swept } = await net.run(cids)
    const failed = swept.filter(({ holders }) => holders === 0)
    expect(failed).toHaveLength(1)
    expect(failed[0]?.error?.message).toBe('nobody answered')
    expect(swept).toHaveLength(1_000)

    // many that fail, but never five one after the other
    const shaky = new Net(200)
    shaky.lose = count => count % 2 === 1
    const few = await shaky.run(blocks(60))
    expect(shaky.lookups).toBeGreaterThan(10)
    expect(few.swept).toHaveLength(60)

    const cut = new Net(200)
    cut.lose = () => true
    await expect(cut.run(cids)).rejects.toThrow('nobody answered')
    expect(cut.lookups).toBe(5)
  })

  it('ends with its signal', async () => {
    const net = new Net(200)
    const controller = new AbortController()
    net.lose = count => {
      if (count === 4) {
        controller.abort(new Error('stopped'))
        return true
      }
      return false
    }
    await expect(net.run(blocks(1_000), controller.signal)).rejects.toThrow('stopped')
    expect(net.lookups).toBe(4)
  })
})
