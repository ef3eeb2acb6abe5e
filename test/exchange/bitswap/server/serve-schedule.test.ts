import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENTRY_OVERHEAD, MESSAGE_ROOM, serveLimits } from '../../../../src/exchange/bitswap/server/limits.ts'
import { ServeSchedule } from '../../../../src/exchange/bitswap/server/serve-schedule.ts'
import { cidOf, numberOf, numbers, want } from './support.ts'
import { blockKey } from '../../../../src/block/key.ts'
import type { ServeLimits } from '../../../../src/exchange/bitswap/server/limits.ts'
import type { ServeStep } from '../../../../src/exchange/bitswap/server/serve-schedule.ts'
import type { ServedPeer, ServedWant } from '../../../../src/exchange/bitswap/server/served-peer.ts'

const KiB = 1_024
const MiB = 1_048_576

type Send = Extract<ServeStep, { kind: 'send' }>
type Read = Extract<ServeStep, { kind: 'read' }>

/** Plays the part of the disk and the network: holds what was started until it is told to end it */
class World {
  readonly schedule: ServeSchedule
  readonly limits: ServeLimits
  readonly looks: ServedWant[] = []
  readonly reads: Read[] = []
  readonly sends: Send[] = []
  readonly sent: Send[] = []
  readonly bytesTo = new Map<string, number>()
  /** Whether every step is checked: with a thousand peers, only the outcome is */
  checked = true
  now = 0

  constructor (limits: Partial<ServeLimits> = {}) {
    this.limits = serveLimits(limits)
    this.schedule = new ServeSchedule(this.limits)
  }

  pump (): void {
    for (let step = this.schedule.next(this.now); step != null; step = this.schedule.next(this.now)) {
      if (step.kind === 'look') {
        this.looks.push(...step.wants)
      } else if (step.kind === 'read') {
        this.reads.push(step)
      } else {
        this.sends.push(step)
      }

      if (this.checked) {
        this.check()
      }
    }
  }

  endLook (index: number, present: boolean): void {
    const [look] = this.looks.splice(index, 1)

    if (look != null) {
      this.schedule.looked(look, present, this.now)
      this.pump()
    }
  }

  endRead (index: number, size?: number): void {
    const [read] = this.reads.splice(index, 1)

    if (read == null) {
      return
    }

    if (size == null || size > read.bytes) {
      this.schedule.unreadable(read.want, read.bytes, this.now)
    } else {
      this.schedule.loaded(read.want, bytesOf(size), read.bytes, this.now)
    }

    this.pump()
  }

  endSend (index: number, taken = true): void {
    const [send] = this.sends.splice(index, 1)

    if (send == null) {
      return
    }

    if (taken) {
      const bytes = send.message.blocks.reduce((sum, block) => sum + block.bytes.byteLength, 0)
      this.bytesTo.set(send.peer.id, (this.bytesTo.get(send.peer.id) ?? 0) + bytes)
      this.sent.push(send)
    }

    this.schedule.sent(send.peer, taken)
    this.pump()
  }

  /** Ends all that is under way, and what follows from it, sends last */
  settle (size: (n: number) => number | undefined, sends = true): void {
    for (;;) {
      if (this.looks.length > 0) {
        this.endLook(0, size(numberOf(this.looks[0]?.cid ?? cidOf(0))) != null)
      } else if (this.reads.length > 0) {
        this.endRead(0, size(numberOf(this.reads[0]?.want.cid ?? cidOf(0))))
      } else if (this.schedule.unsent) {
        this.now += this.limits.batchDelay
        this.schedule.flush(this.now)
        this.pump()
      } else if (sends && this.sends.length > 0) {
        this.endSend(0)
      } else {
        return
      }
    }
  }

  check (): void {
    const { memory, table } = this.schedule
    const held = this.reads.reduce((sum, read) => sum + read.bytes, 0) +
      sum(this.everybody(), peer => peer.loadedBytes) +
      sum(this.sends, send => sum(send.message.blocks, block => block.bytes.byteLength))

    expect(memory.held).toBe(held)
    expect(held).toBeLessThanOrEqual(this.limits.memory)
    expect(memory.behind).toBe(sum(this.everybody().filter(({ behind }) => behind), peer => peer.held))
    expect(table.size).toBeLessThanOrEqual(this.limits.wants)
    expect(table.size).toBe(sum([...table.peers()], peer => peer.wants.size))
    expect(table.peerCount).toBeLessThanOrEqual(this.limits.peers)
    expect(this.looks.length).toBeLessThanOrEqual(this.limits.lookups)
    expect(new Set(this.sends.map(send => send.peer)).size).toBe(this.sends.length)

    for (const peer of this.everybody()) {
      expect(peer.held).toBeLessThanOrEqual(this.limits.memoryPerPeer)
      expect(peer.wants.size).toBeLessThanOrEqual(this.limits.wantsPerPeer)
      expect(peer.loadedBytes).toBe(sum([...peer.loaded.values()], loaded => loaded.bytes.byteLength))
    }

    for (const { message } of this.sends) {
      const blocks = sum(message.blocks, block => block.bytes.byteLength + ENTRY_OVERHEAD)
      const presences = sum(message.presences, presence => presence.cid.bytes.byteLength + ENTRY_OVERHEAD)
      expect(blocks + presences).toBeLessThanOrEqual(MESSAGE_ROOM)
      expect(message.blocks.length + message.presences.length).toBeGreaterThan(0)
      expect(message.blocks.length === 1 || blocks <= this.limits.messageBytes).toBe(true)
    }
  }

  everybody (): ServedPeer[] {
    return [...new Set([...this.schedule.table.peers(), ...this.sends.map(send => send.peer), ...this.reads.map(read => read.want.peer)])]
  }
}

const buffers = new Map<number, Uint8Array>()

/** Bytes of this size; the same for all */
function bytesOf (size: number): Uint8Array {
  const bytes = buffers.get(size) ?? new Uint8Array(size)
  buffers.set(size, bytes)
  return bytes
}

function sum<T> (of: readonly T[], value: (one: T) => number): number {
  return of.reduce((total, one) => total + value(one), 0)
}

function received (world: World): Map<string, number[]> {
  const blocks = new Map<string, number[]>()

  for (const { peer, message } of world.sent) {
    blocks.set(peer.id, [...blocks.get(peer.id) ?? [], ...message.blocks.map(block => numberOf(block.cid))])
  }

  return blocks
}

describe('fair shares', () => {
  it('peers with backlogs that read alike never differ by more than a message and a block', () => {
    fc.assert(fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.array(fc.constantFrom(1, 700, 64 * KiB, 256 * KiB, MiB, 2 * MiB), { minLength: 1, maxLength: 7 }),
      fc.integer({ min: 4, max: 64 }),
      (peers, sizes, memory) => {
        const world = new World({ memory: memory * MiB })
        const size = (n: number): number => sizes[n % sizes.length] ?? 1

        for (const p of numbers(peers)) {
          // the first is greedy, the others want half as much; each begins elsewhere
          world.schedule.received(`peer-${p}`, numbers(p === 0 ? 400 : 200, p * 3).map(n => want(n)), false)
        }

        world.pump()
        const target = 10 * MiB
        let guard = 0

        // a wire that they share: messages are taken one after the other
        while (Math.max(0, ...world.bytesTo.values()) < target && world.sends.length > 0 && guard++ < 5_000) {
          world.settle(size, false)
          world.endSend(0)
          const open = world.everybody().filter(peer => peer.reads.size > 0)

          if (open.length < peers) {
            return
          }

          const bytes = open.map(peer => world.bytesTo.get(peer.id) ?? 0)
          expect(Math.max(...bytes) - Math.min(...bytes)).toBeLessThanOrEqual(world.limits.messageBytes + 2 * MiB)
        }
      }
    ), { numRuns: 40 })
  })

  it('a peer with a thousand wants does not keep one with a single want waiting', () => {
    const world = new World({ memory: 8 * MiB })
    world.schedule.received('greedy', numbers(1_024).map(n => want(n, { priority: 1_000 })), false)
    world.pump()
    world.settle(() => MiB, false)
    world.endSend(0)
    world.settle(() => MiB, false)
    world.schedule.received('modest', [want(5_000)], false)
    world.pump()

    let messages = 0

    while (!received(world).has('modest')) {
      world.settle(() => MiB, false)
      world.endSend(0)
      expect(++messages).toBeLessThan(4)
    }
  })

  it('a thousand peers are all served, one message each before anybody has three', () => {
    const world = new World({ messageBytes: 64 * KiB })
    world.checked = false

    for (const p of numbers(1_000)) {
      world.schedule.received(`peer-${p}`, numbers(20).map(n => want(n)), false)
    }

    world.pump()
    const messages = new Map<string, number>()

    while (messages.size < 1_000) {
      world.settle(() => 32 * KiB, false)
      const id = world.sends[0]?.peer.id ?? ''
      messages.set(id, (messages.get(id) ?? 0) + 1)
      world.endSend(0)
      expect(world.sends.length).toBeGreaterThan(0)
    }

    world.check()
    expect(Math.max(...messages.values())).toBeLessThan(3)
  })

  it('what a peer does not use is not saved up', () => {
    const world = new World()
    world.schedule.received('a', [want(1)], false)
    world.pump()
    world.settle(() => 10)
    expect(world.schedule.table.get('a')?.deficit).toBeLessThanOrEqual(0)
  })
})

describe('one peer', () => {
  it('is answered by priority, and first come first served within one', () => {
    const world = new World({ messageBytes: 1_000 })
    world.schedule.received('a', [want(1, { priority: 5 }), want(2, { priority: 9 }), want(3, { priority: 5 }), want(4, { priority: 1 })], false)
    world.pump()
    world.settle(() => 900)
    expect(received(world).get('a')).toEqual([2, 1, 3, 4])
  })

  it('gets one message at a time, each of a bounded size', () => {
    const world = new World()
    world.schedule.received('a', numbers(100).map(n => want(n)), false)
    world.pump()
    world.settle(() => 256 * KiB, false)
    expect(world.sends).toHaveLength(1)
    expect(world.sends[0]?.message.blocks).toHaveLength(1)
    world.settle(() => 256 * KiB)
    expect(Math.max(...world.sent.map(({ message }) => message.blocks.length))).toBe(3)
    expect(received(world).get('a')).toEqual(numbers(100))
  })

  it('gets many small blocks in few messages', () => {
    const world = new World()
    world.schedule.received('a', numbers(1_000).map(n => want(n)), false)
    world.pump()
    world.settle(() => 100)
    expect(received(world).get('a')).toHaveLength(1_000)
    expect(world.sent.length).toBeLessThan(4)
  })

  it('is told what is still queued for it', () => {
    const world = new World()
    world.schedule.received('a', numbers(10).map(n => want(n)), false)
    world.pump()
    world.settle(() => MiB)
    const pending = world.sent.map(({ message }) => message.pendingBytes)
    expect(pending[0]).toBe(9 * MiB)
    expect(pending.at(-1)).toBe(0)
  })

  it('holds one message and nothing ahead until it has shown that it reads', () => {
    const world = new World()
    world.schedule.received('a', numbers(100).map(n => want(n)), false)
    world.pump()
    world.settle(() => MiB, false)
    expect(world.schedule.memory.held).toBe(MiB)
    world.endSend(0)
    world.settle(() => MiB, false)
    expect(world.schedule.memory.held).toBeGreaterThan(MiB)
    expect(world.schedule.memory.held).toBeLessThanOrEqual(world.limits.memoryPerPeer)
  })
})

describe('wants', () => {
  it('HAVE is answered by the block when that is small, else by HAVE', () => {
    const world = new World()
    world.schedule.received('a', [want(1, { type: 'have' }), want(2, { type: 'have' })], false)
    world.pump()
    world.settle(n => n === 1 ? 1_024 : 1_025)
    expect(world.sent.flatMap(({ message }) => message.blocks.map(block => numberOf(block.cid)))).toEqual([1])
    expect(world.sent.flatMap(({ message }) => message.presences.map(({ cid, type }) => [numberOf(cid), type]))).toEqual([[2, 'have']])
    expect(world.schedule.table.size).toBe(0)
  })

  it('a block is not read twice to learn its size', () => {
    const world = new World()
    world.schedule.received('a', [want(2, { type: 'have' })], false)
    world.pump()
    world.settle(() => MiB)
    world.schedule.received('b', [want(2, { type: 'have' })], false)
    world.pump()
    world.endLook(0, true)
    expect(world.reads).toHaveLength(0)
    expect(world.sends).toHaveLength(1)
  })

  it('of HAVE and block become block, wherever the first stands', () => {
    for (const stage of ['look', 'looking', 'reading', 'answered']) {
      const world = new World({ lookups: stage === 'look' ? 1 : 128 })
      world.schedule.received('a', [want(9, { type: 'have', priority: 2 }), want(1, { type: 'have' })], false)
      world.pump()

      if (stage === 'reading' || stage === 'answered') {
        world.endLook(1, true)
      }

      if (stage === 'answered') {
        world.endRead(0, MiB)
      }

      world.schedule.received('a', [want(1)], false)
      world.pump()
      world.settle(n => n === 9 ? undefined : MiB)
      expect(received(world).get('a'), stage).toEqual([1])
      expect(world.sent.flatMap(({ message }) => message.presences), stage).toEqual([])
    }
  })

  it('a repeated want is answered once', () => {
    const world = new World()

    for (let i = 0; i < 3; i++) {
      world.schedule.received('a', [want(1), want(1, { type: 'have' })], false)
      world.pump()
    }

    world.endRead(0, MiB)
    world.schedule.received('a', [want(1)], false)
    world.pump()
    world.settle(() => MiB)
    expect(received(world).get('a')).toEqual([1])
  })

  it('the same block under another codec is another want', () => {
    const world = new World()
    world.schedule.received('a', [want(1), want(1, { cid: cidOf(1, 0x70) })], false)
    world.pump()
    world.settle(() => 10)
    expect(world.sent.flatMap(({ message }) => message.blocks.map(block => block.cid.code)).sort((a, b) => a - b)).toEqual([0x55, 0x70])
  })

  it('what is not here is said when asked, remembered, and sent when it arrives', () => {
    const world = new World()
    world.schedule.received('a', [want(1, { sendDontHave: true }), want(2), want(3, { type: 'have', sendDontHave: true })], false)
    world.pump()
    world.settle(() => undefined)
    const said = world.sent.flatMap(({ message }) => message.presences.map(({ cid, type }) => `${numberOf(cid)} ${type}`))
    expect(said.sort()).toEqual(['1 dont-have', '3 dont-have'])
    expect(world.schedule.table.awaited).toBe(3)

    for (const n of [1, 2, 3]) {
      world.schedule.arrived(blockKey(cidOf(n)), world.now, n === 3 ? MiB : undefined)
      world.pump()
    }

    world.settle(() => 300 * KiB)
    expect(received(world).get('a')?.sort()).toEqual([1, 2])
    expect(world.sent.flatMap(({ message }) => message.presences).filter(({ type }) => type === 'have')).toHaveLength(1)
    expect(world.schedule.table.size).toBe(0)
    expect(world.schedule.table.awaited).toBe(0)
  })

  it('who asks again for what was not here has it looked for again', () => {
    const world = new World()
    world.schedule.received('a', [want(1)], false)
    world.pump()
    world.settle(() => undefined)
    world.schedule.received('a', [want(1, { sendDontHave: true })], false)
    world.pump()
    world.settle(() => undefined)
    expect(world.sent.flatMap(({ message }) => message.presences)).toHaveLength(1)
    expect(world.schedule.table.size).toBe(1)
  })

  it('a full want-list replaces, a cancel removes, at whatever stage', () => {
    const world = new World()
    world.schedule.received('a', [want(1), want(2), want(3, { type: 'have' }), want(4)], false)
    world.pump()
    world.endRead(0, 10)
    world.schedule.received('a', [want(4), want(5)], true)
    world.schedule.received('a', [want(5, { cancel: true }), want(77, { cancel: true })], false)
    world.pump()
    world.settle(() => 10)
    expect(received(world).get('a')).toEqual([4])
    expect(world.schedule.table.size).toBe(0)
    expect(world.schedule.memory.held).toBe(0)
  })

  it('beyond the limit the lowest priority goes, and what is not here goes before that', () => {
    const world = new World({ wantsPerPeer: 4, memory: 4 * MiB })
    world.schedule.received('a', [want(1, { priority: 100 })], false)
    world.pump()
    world.settle(() => undefined)
    world.schedule.received('a', [want(2, { priority: 1 }), want(3, { priority: 3 }), want(4, { priority: 2 })], false)
    world.schedule.received('a', [want(5, { priority: 2 })], false)
    expect([...world.schedule.table.get('a')?.wants.values() ?? []].map(({ cid }) => numberOf(cid))).toEqual([2, 3, 4, 5])
    world.schedule.received('a', [want(6, { priority: 7 }), want(7, { priority: 0 })], false)
    expect([...world.schedule.table.get('a')?.wants.values() ?? []].map(({ cid }) => numberOf(cid))).toEqual([3, 4, 5, 6])
    expect(world.schedule.table.dropped).toBe(3)
  })

  it('beyond the limit of all, those who want the most lose', () => {
    const world = new World({ wants: 100, lookups: 1 })
    world.schedule.received('greedy', numbers(100).map(n => want(n, { type: 'have' })), false)
    world.schedule.received('modest', numbers(10).map(n => want(n, { type: 'have' })), false)
    expect(world.schedule.table.size).toBe(100)
    expect(world.schedule.table.get('modest')?.wants.size).toBe(10)
  })

  it('peers are bounded: an idle one makes room, else the newcomer is turned away', () => {
    const world = new World({ peers: 2 })
    world.schedule.received('a', [want(1)], false)
    world.schedule.received('b', [want(1)], false)
    world.schedule.received('c', [want(1)], false)
    expect([...world.schedule.table.peers()].map(peer => peer.id)).toEqual(['a', 'b'])
    expect(world.schedule.table.turnedAway).toBe(1)
    world.pump()
    world.settle(() => 10)
    world.schedule.received('c', [want(1)], false)
    expect([...world.schedule.table.peers()].map(peer => peer.id)).toEqual(['b', 'c'])
  })
})

describe('peers that may not be served', () => {
  it('learn nothing: the answer is the same whatever is here, and paced', () => {
    const world = new World({ refusalsPerSecond: 10 })
    const asked = numbers(15).map(n => want(n, { sendDontHave: n % 3 !== 0 }))
    expect(world.schedule.refused('a', asked, 0)).toBe(10)
    expect(world.schedule.refused('a', asked, 0)).toBe(0)
    expect(world.schedule.refused('a', asked, 500)).toBe(5)
    world.pump()
    world.settle(() => 10)
    expect(world.looks).toHaveLength(0)
    expect(world.sent.flatMap(({ message }) => message.presences).every(({ type, revealing }) => type === 'dont-have' && !revealing)).toBe(true)
    expect(world.sent.flatMap(({ message }) => message.blocks)).toEqual([])
    expect(world.schedule.table.size).toBe(0)
  })

  it('that did not ask to be told are told nothing, and take no room', () => {
    const world = new World()
    expect(world.schedule.refused('a', [want(1), want(2, { sendDontHave: true, cancel: true })], 0)).toBe(0)
    expect(world.schedule.table.peerCount).toBe(0)
    expect(new World({ refusalsPerSecond: 0 }).schedule.refused('a', [want(1, { sendDontHave: true })], 0)).toBe(0)
  })
})

describe('memory', () => {
  it('however many peers never read, they hold half of it at most, and those who read go on', () => {
    const world = new World({ memory: 16 * MiB })
    world.schedule.received('reader', numbers(1_000).map(n => want(n)), false)
    world.pump()
    world.settle(() => MiB, false)
    world.endSend(0)

    for (const p of numbers(100)) {
      world.schedule.received(`stuck-${p}`, numbers(50).map(n => want(n)), false)
    }

    world.pump()

    for (let i = 0; i < 200; i++) {
      world.settle(() => MiB, false)
      const index = world.sends.findIndex(send => send.peer.id === 'reader')
      expect(index).not.toBe(-1)
      world.endSend(index)
    }

    const stuck = sum(world.everybody().filter(peer => peer.id !== 'reader'), peer => peer.held)
    expect(stuck).toBeLessThanOrEqual(8 * MiB)
    expect(stuck).toBeGreaterThan(0)
  })

  it('one that stops reading loses what was read ahead for it when others need it', () => {
    const world = new World({ memory: 8 * MiB, memoryPerPeer: 8 * MiB })
    world.schedule.received('stops', numbers(100).map(n => want(n)), false)
    world.pump()
    world.settle(() => MiB, false)
    world.endSend(0)
    world.settle(() => MiB, false)
    expect(world.schedule.table.get('stops')?.loadedBytes).toBeGreaterThanOrEqual(MiB)
    world.now += 1_000

    for (const p of numbers(8)) {
      world.schedule.received(`other-${p}`, numbers(10).map(n => want(n)), false)
    }

    world.pump()
    world.settle(() => MiB, false)
    expect(world.schedule.table.get('stops')?.loadedBytes).toBe(0)
    expect(world.schedule.table.get('stops')?.proven).toBe(false)
  })

  it('a message that does not move is a stall, sooner while others wait for its memory', () => {
    const world = new World({ memory: 4 * MiB })
    world.schedule.received('stuck', numbers(10).map(n => want(n)), false)
    world.pump()
    world.settle(() => 2 * MiB, false)
    expect(world.schedule.stalled(world.limits.stallTimeout - 1)).toEqual([])
    expect(world.schedule.stalled(world.limits.stallTimeout).map(peer => peer.id)).toEqual(['stuck'])
    world.schedule.received('other', numbers(10).map(n => want(n)), false)
    world.pump()
    expect(world.schedule.stalled(world.limits.stallTimeoutUnderPressure - 1)).toEqual([])
    expect(world.schedule.stalled(world.limits.stallTimeoutUnderPressure).map(peer => peer.id)).toEqual(['stuck'])
    const stuck = world.schedule.table.get('stuck') as ServedPeer
    world.schedule.pause(stuck, 0)
    expect(stuck.wants.size).toBe(0)
    expect(world.schedule.isPaused('stuck', world.limits.stallPause - 1)).toBe(true)
    expect(world.schedule.isPaused('stuck', world.limits.stallPause)).toBe(false)
  })

  it('makes room once, for as many as wait, and what was in it is sent later, but not what was cancelled since', () => {
    const world = new World({ memory: 4 * MiB })
    world.schedule.received('stuck', [want(1), want(2, { sendDontHave: true }), want(3)], false)
    world.schedule.received('another', [want(1)], false)
    world.pump()
    world.settle(n => n === 2 ? undefined : MiB, false)
    expect(world.schedule.setBack(10_000)).toEqual([])

    world.schedule.received('newcomer', [want(4)], false)
    world.pump()
    expect(world.schedule.short).toBe(true)
    expect(world.schedule.setBack(249)).toEqual([])
    const stuck = world.schedule.table.get('stuck') as ServedPeer
    expect(world.schedule.setBack(250)).toEqual([stuck])
    expect(world.schedule.setBack(250).map(({ id }) => id)).toEqual(['another'])
    expect(world.schedule.setBack(10_000)).toEqual([])
    world.schedule.received('stuck', [want(1, { cancel: true })], false)
    world.endSend(world.sends.findIndex(({ peer }) => peer === stuck), false)
    expect(stuck).toMatchObject({ behind: true, proven: false })

    world.settle(n => n === 2 ? undefined : MiB)
    expect(received(world).get('newcomer')).toEqual([4])
    expect(received(world).get('stuck')).toEqual([3])
    expect(world.sent.filter(({ peer }) => peer === stuck).flatMap(({ message }) => message.presences)).toMatchObject([{ type: 'dont-have' }])
    expect(stuck.behind).toBe(false)
  })

  it('a drip is a stall: a message has a least pace', () => {
    const world = new World()
    world.schedule.received('drip', [want(1)], false)
    world.pump()
    world.settle(() => MiB, false)
    const peer = world.schedule.table.get('drip') as ServedPeer
    const most = world.limits.stallTimeout + MiB / world.limits.minPace * 1_000
    world.schedule.progressed(peer, most - 1)
    expect(world.schedule.stalled(most - 1)).toEqual([])
    expect(world.schedule.stalled(Math.ceil(most))).toEqual([peer])
  })
})

describe('whatever comes and goes', () => {
  const key = fc.integer({ min: 0, max: 40 })
  const peer = fc.integer({ min: 0, max: 6 })
  const entry = fc.record({
    n: key,
    type: fc.constantFrom('block' as const, 'have' as const),
    priority: fc.integer({ min: 0, max: 4 }),
    cancel: fc.boolean(),
    sendDontHave: fc.boolean()
  })
  const pick = fc.nat({ max: 30 })
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('receive' as const), peer, entries: fc.array(entry, { maxLength: 12 }), full: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), peer, entries: fc.array(entry, { maxLength: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('gone' as const), peer }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), peer }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('arrive' as const), n: key }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('look' as const), pick }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('read' as const), pick, ok: fc.integer({ min: 0, max: 9 }) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), pick, ok: fc.integer({ min: 0, max: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) }
  )

  it('limits hold, memory is accounted for to the byte, only what is wanted is sent, and everything ends', () => {
    const sizes = [0, 1, 900, 1_024, 1_025, 40 * KiB, 100 * KiB]

    fc.assert(fc.property(fc.array(event, { maxLength: 150 }), events => {
      const world = new World({ wantsPerPeer: 10, wants: 30, peers: 5, messageBytes: 64 * KiB, blockBytes: 100 * KiB, memory: 400 * KiB, memoryPerPeer: 300 * KiB, lookups: 7 })
      const here = new Set(numbers(20))
      const size = (n: number): number | undefined => here.has(n) ? sizes[n % sizes.length] : undefined
      let sent = 0

      const verify = (): void => {
        world.check()

        for (const { message } of world.sent.slice(sent)) {
          for (const { cid, bytes } of message.blocks) {
            expect(bytes.byteLength).toBe(sizes[numberOf(cid) % sizes.length])
          }
        }

        sent = world.sent.length
      }

      for (const one of events) {
        if (one.do === 'receive') {
          world.schedule.received(`p${one.peer}`, one.entries.map(({ n, ...rest }) => want(n, rest)), one.full)
        } else if (one.do === 'refuse') {
          world.schedule.refused(`p${one.peer}`, one.entries.map(({ n, ...rest }) => want(n, rest)), world.now)
        } else if (one.do === 'gone' || one.do === 'drop') {
          const known = world.schedule.table.get(`p${one.peer}`)

          if (known != null) {
            world.schedule[one.do](known)
          }
        } else if (one.do === 'arrive') {
          here.add(one.n)
          world.schedule.arrived(blockKey(cidOf(one.n)), world.now)
        } else if (one.do === 'look' && world.looks.length > 0) {
          const index = one.pick % world.looks.length
          world.endLook(index, size(numberOf(world.looks[index]?.cid ?? cidOf(0))) != null)
        } else if (one.do === 'read' && world.reads.length > 0) {
          const index = one.pick % world.reads.length
          world.endRead(index, one.ok === 0 ? undefined : size(numberOf(world.reads[index]?.want.cid ?? cidOf(0))))
        } else if (one.do === 'send' && world.sends.length > 0) {
          world.endSend(one.pick % world.sends.length, one.ok !== 0)
        } else if (one.do === 'wait') {
          world.now += one.ms
          world.schedule.flush(world.now)
          world.schedule.stalled(world.now).forEach(stalled => {
            world.schedule.pause(stalled, world.now)
            world.endSend(world.sends.findIndex(send => send.peer === stalled), false)
          })
          world.schedule.setBack(world.now).forEach(behind => {
            world.endSend(world.sends.findIndex(send => send.peer === behind), false)
          })
        }

        world.pump()
        verify()
      }

      world.settle(size)
      verify()
      // nothing is forgotten: what is left is not here
      expect(world.schedule.memory.held).toBe(0)
      expect(world.schedule.unsent).toBe(false)
      expect([...world.schedule.table.peers()].flatMap(known => [...known.wants.values()].map(({ state }) => state)).filter(state => state !== 'waiting')).toEqual([])

      for (const known of [...world.schedule.table.peers()]) {
        world.schedule.gone(known)
      }

      expect(world.schedule.table.size).toBe(0)
      expect(world.schedule.table.awaited).toBe(0)
      expect(world.schedule.memory.held).toBe(0)
    }), { numRuns: 300 })
  })
})
