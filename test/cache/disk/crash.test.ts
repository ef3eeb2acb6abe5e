import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryFiles } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { CacheKind } from '../../../src/interface/cache.ts'
import type { Block } from './support/tiers.ts'

const PATH = '/cache'
/** A handful of blocks each, so that everything happens often */
const SEGMENT_BYTES = 2_048
const RUNS = Number(process.env.RUNS ?? 30)

/** What must be true of a block: what was acknowledged, and what was begun since */
interface Expected {
  /** States that it may be in: what was acknowledged last, and whatever was begun since */
  readonly may: Set<State>
}

type State = 'absent' | CacheKind

const BLOCKS: Block[] = Array.from({ length: 12 }, (_, i) => block(i, i === 0 ? 0 : 40 * i))
// one whose multihash does not fit into a key
BLOCKS.push({ multihash: Uint8Array.from([0x13, 64, ...new Uint8Array(64).fill(7)]), bytes: Uint8Array.of(1, 2, 3) })

/** How far what was begun gets before the next: steps of promises */
interface Pause {
  readonly pause: number
}

type Command = Pause & (
  | { readonly type: 'write', readonly block: number, readonly kind: CacheKind, readonly how: 'now' | 'gathered' | 'begun' | 'later', readonly alone: boolean }
  | { readonly type: 'wrong', readonly block: number, readonly kind: CacheKind }
  | { readonly type: 'remove', readonly blocks: number[] }
  | { readonly type: 'setKind', readonly block: number, readonly kind: CacheKind }
  | { readonly type: 'compact' }
  | { readonly type: 'settle' }
  | { readonly type: 'reopen' }
)

const blockNumber = fc.nat({ max: BLOCKS.length - 1 })
const kind = fc.constantFrom<CacheKind>('authored', 'fetched')
const pause = fc.oneof(fc.constant(0), fc.nat({ max: 12 }), fc.nat({ max: 60 }))
/** The first three only while nothing else is being written, so more of them */
const how = fc.constantFrom('now' as const, 'gathered' as const, 'gathered' as const, 'gathered' as const, 'begun' as const, 'begun' as const, 'later' as const)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ type: fc.constant('write' as const), block: blockNumber, kind, how, alone: fc.nat({ max: 2 }).map(n => n > 0), pause }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('wrong' as const), block: blockNumber, kind, pause }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('remove' as const), blocks: fc.array(blockNumber, { minLength: 1, maxLength: 4 }), pause }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('setKind' as const), block: blockNumber, kind, pause }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('compact' as const), pause }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('settle' as const), pause }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen' as const), pause }) }
)

/** The model: what each block may be at this moment. One thing at a time is done to a block, as the contract has it */
class Model {
  readonly expected: Expected[] = BLOCKS.map(() => ({ may: new Set<State>(['absent']) }))
  readonly #busy = new Map<number, Promise<void>>()

  /** Runs after what was begun for these blocks before, with the new state possible from its beginning, and alone at its end */
  async change (blocks: readonly number[], state: (old: State) => State, run: () => Promise<void>): Promise<void> {
    const before = Promise.all(blocks.map(i => this.#busy.get(i)))
    const done = before.then(async () => {
      const after = new Map(blocks.map(i => [i, state(only(this.expected[i]?.may))]))
      after.forEach((each, i) => this.expected[i]?.may.add(each))
      await run()
      after.forEach((each, i) => {
        this.expected[i]?.may.clear()
        this.expected[i]?.may.add(each)
      })
    })
    blocks.forEach(i => this.#busy.set(i, done))
    return done
  }

  copy (): Array<ReadonlySet<State>> {
    return this.expected.map(({ may }) => new Set(may))
  }

  async settled (): Promise<void> {
    await Promise.all(this.#busy.values())
  }
}

function only (states: ReadonlySet<State> | undefined): State {
  return [...states ?? []][0] ?? 'absent'
}

async function assertIs (tier: DiskTier, expected: ReadonlyArray<ReadonlySet<State>>): Promise<void> {
  const usage = { blocks: 0, authoredBlocks: 0, authoredBytes: 0, fetchedBytes: 0, live: 0 }

  for (const [i, { multihash, bytes }] of BLOCKS.entries()) {
    const slot = tier.find(multihash)
    const state: State = slot === -1 ? 'absent' : tier.kind(slot)

    if (expected[i]?.has(state) !== true) {
      throw new Error(`block ${i} is ${state}, and may be ${[...expected[i] ?? []].join(' or ')}`)
    }
    if (slot !== -1) {
      expect(await tier.read(slot)).toEqual(bytes)
      expect(await tier.multihash(slot)).toEqual(multihash)
      usage.blocks++
      usage.live += tier.cost(slot)
      usage.authoredBlocks += state === 'authored' ? 1 : 0
      usage[state === 'authored' ? 'authoredBytes' : 'fetchedBytes'] += bytes.byteLength
    }
  }
  expect(tier.usage()).toMatchObject(usage)
  expect([...tier.slots()]).toHaveLength(usage.blocks)
}

/** Runs commands without waiting for one before the next, and returns images of the disk with what must be true of each */
async function run (commands: readonly Command[], takeImage: (step: number) => boolean): Promise<{ images: Array<{ files: MemoryFiles, expected: Array<ReadonlySet<State>> }>, promptWrites: number, gathered: number, begun: number }> {
  const files = new MemoryFiles()
  const model = new Model()
  const images: Array<{ files: MemoryFiles, expected: Array<ReadonlySet<State>> }> = []
  let step = 0
  let begun = 0
  let gathered = 0
  let waiting: Array<(isWritten: boolean) => void> = []
  const open = async (): Promise<DiskTier> => {
    const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
    tier.onGathered = ({ slots }) => {
      waiting.forEach(over => { over(slots != null) })
      waiting = []
    }
    return tier
  }
  let tier = await open()
  const others: Array<Promise<unknown>> = []

  files.onChange = () => {
    if (takeImage(step++)) {
      images.push({ files: files.image({ shared: true }), expected: model.copy() })
    }
  }
  for (const each of commands) {
    switch (each.type) {
      case 'write':
        if (each.alone) {
          await model.settled()
        }
        void model.change([each.block], () => each.kind, async () => {
          const { multihash, bytes } = BLOCKS[each.block] as Block
          if (each.how === 'now' && tier.writeNow(multihash, bytes, each.kind) !== -1) {
            return
          }
          if (each.how === 'gathered' && tier.gather(multihash, bytes, each.kind)) {
            gathered++
            if (await new Promise<boolean>(resolve => { waiting.push(resolve) })) {
              return
            }
          }
          const writing = each.how === 'begun' ? tier.begin(multihash, bytes, each.kind) : undefined
          begun += writing == null ? 0 : 1
          await (writing?.finish() ?? tier.write(multihash, bytes, each.kind))
        })
        break
      case 'wrong':
        void model.change([each.block], old => old, async () => {
          const { multihash, bytes } = BLOCKS[each.block] as Block
          await tier.begin(multihash, bytes, each.kind)?.drop()
        })
        break
      case 'remove': {
        const blocks = [...new Set(each.blocks)]
        void model.change(blocks, () => 'absent', async () => {
          await tier.remove(blocks.map(i => tier.find((BLOCKS[i] as Block).multihash)).filter(slot => slot !== -1))
        })
        break
      }
      case 'setKind':
        void model.change([each.block], old => old === 'absent' ? old : each.kind, async () => {
          const slot = tier.find((BLOCKS[each.block] as Block).multihash)
          if (slot !== -1) {
            await tier.setKind(slot, each.kind)
          }
        })
        break
      case 'compact':
        others.push(tier.compact())
        break
      case 'settle':
        await model.settled()
        break
      case 'reopen':
        await model.settled()
        await Promise.all(others)
        await tier.close()
        expect(files.openFiles).toBe(0)
        tier = await open()
        await assertIs(tier, model.copy())
        break
    }
    for (let i = 0; i < each.pause; i++) {
      await Promise.resolve()
    }
  }
  await model.settled()
  await Promise.all(others)
  await assertIs(tier, model.copy())
  files.onChange = undefined
  await tier.close()
  expect(files.openFiles).toBe(0)
  images.push({ files: files.image({ shared: true }), expected: model.copy() })
  return { images, promptWrites: files.promptWrites, gathered, begun }
}

describe('a process that is killed', () => {
  it('leaves a store that opens, with all that was acknowledged and nothing that was removed, whenever it comes', async () => {
    let opened = 0
    let prompt = 0
    let begunWrites = 0
    let gatheredWrites = 0

    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 80 }), fc.integer({ min: 3, max: 30 }), async (commands, every) => {
      const { images, promptWrites, gathered, begun } = await run(commands, step => step % every === 0)
      prompt += promptWrites
      begunWrites += begun
      gatheredWrites += gathered

      for (const { files, expected } of images) {
        // twice: what opening repairs must stay repaired
        const { tier, report: first } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
        await assertIs(tier, expected)
        // and what was given back is not said to be lost
        expect(first.repairs.filter(repair => /gone|removed|for (a longer|other)/.test(repair))).toEqual([])
        const exactly = BLOCKS.map(({ multihash }) => new Set<State>([tier.find(multihash) === -1 ? 'absent' : tier.kind(tier.find(multihash))]))
        const again = files.image({ shared: true })
        await tier.close()
        for (const image of [again, files.image({ shared: true })]) {
          const { tier: second } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
          await assertIs(second, exactly)
          await second.compact()
          await assertIs(second, exactly)
          await second.close()
          opened++
        }
        // and whatever is removed after a repair has no second record left
        const { tier: third } = await openTier({ path: PATH, files: again, segmentBytes: SEGMENT_BYTES })
        await third.remove([...third.slots()])
        const { report } = await openTier({ path: PATH, files: again.image({ shared: true }), segmentBytes: SEGMENT_BYTES })
        await third.close()
        if (report.blocks > 0) {
          throw new Error(`${report.blocks} blocks came back`)
        }
      }
    }), { numRuns: RUNS, ...(process.env.SEED == null ? {} : { seed: Number(process.env.SEED) }) })
    expect(opened).toBeGreaterThan(100)
    expect(prompt).toBeGreaterThan(20)
    expect(begunWrites).toBeGreaterThan(20)
    expect(gatheredWrites).toBeGreaterThan(20)
  }, 60_000 + RUNS * 2_000)
})
