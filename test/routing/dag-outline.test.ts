import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { DagOutline, MAX_PLACES } from '../../src/routing/dag-outline.ts'
import { unpublished } from './support/world.ts'

interface Tree {
  readonly cid: CID
  readonly below: readonly Tree[]
}

/** Blocks of a DAG in document order, each with what it links to */
function tree (shape: readonly number[]): Tree {
  let made = 0

  function node (): Tree {
    const cid = CID.createV1(0x71, unpublished(made).multihash)
    const links = made < shape.length ? shape[made] ?? 0 : 0
    made++
    return { cid, below: Array.from({ length: links }, () => node()) }
  }

  return node()
}

function flat ({ cid, below }: Tree): Tree[] {
  return [{ cid, below }, ...below.flatMap(flat)]
}

function read (outline: DagOutline, { cid, below }: Tree): boolean {
  const { place, straight } = outline.moveTo(cid)
  outline.open(place, below)
  return straight
}

function ahead (outline: DagOutline): string[] {
  return [...outline.ahead()].map(({ cid }) => cid.toString())
}

const anyTree = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 }).map(tree)

describe('DagOutline', () => {
  it('tells what comes after a reader who goes depth first, in document order', () => {
    fc.assert(fc.property(anyTree, root => {
      const outline = new DagOutline()
      const blocks = flat(root)

      blocks.forEach((block, i) => {
        expect(read(outline, block)).toBe(i > 0)
        const left = blocks.slice(i + 1).map(({ cid }) => cid.toString())
        const told = ahead(outline)
        // the next block, and others of those that are left in their order
        expect(told[0]).toBe(left[0])
        expect(left.filter(cid => told.includes(cid))).toEqual(told)
      })
    }))
  })

  it('tells all that comes after the reader, wherever it goes, once everything is known', () => {
    fc.assert(fc.property(anyTree, fc.array(fc.nat(), { maxLength: 10 }), (root, jumps) => {
      const outline = new DagOutline()
      const blocks = flat(root)
      outline.open(outline.moveTo(root.cid).place, root.below)

      for (const { cid, below } of blocks.slice(1)) {
        const place = outline.find(cid)
        place == null || outline.open(place, below)
      }

      let at = 0
      const visited = new Set([0])

      for (const jump of jumps) {
        const to = jump % blocks.length
        outline.moveTo((blocks[to] as Tree).cid)
        // who comes to a block again has not gone back
        at = visited.has(to) ? at : to
        visited.add(to)
        expect(ahead(outline)).toEqual(blocks.slice(at + 1).map(({ cid }) => cid.toString()))
      }
    }))
  })

  it('goes on where it was after a block that nobody linked to', () => {
    const outline = new DagOutline()
    const root = tree([3, 2])
    const [, first, second] = flat(root) as [Tree, Tree, Tree]
    read(outline, root)
    read(outline, first)
    const before = ahead(outline)
    const stranger = { cid: unpublished(900), below: [{ cid: unpublished(901), below: [] }] }
    expect(read(outline, stranger)).toBe(false)
    expect(ahead(outline)).toEqual([stranger.below[0]?.cid.toString(), ...before])
    read(outline, { cid: unpublished(902), below: [] })
    read(outline, { cid: unpublished(903), below: [] })
    read(outline, second)
    expect(ahead(outline)).toEqual(before.slice(1))
  })

  it('remembers a bounded number of links, those around the reader longest', () => {
    const outline = new DagOutline()
    const nodes = Array.from({ length: 60 }, (_, i) => ({ cid: unpublished(100_000 + i), below: Array.from({ length: 400 }, (_, k) => ({ cid: unpublished(i * 400 + k), below: [] })) }))
    const root = { cid: unpublished(99_999), below: nodes }
    read(outline, root)

    nodes.forEach((node, i) => {
      read(outline, node)
      expect(outline.size).toBeLessThanOrEqual(MAX_PLACES)
      expect(ahead(outline)).toHaveLength(400 + nodes.length - 1 - i)
    })
    expect(outline.find(nodes[0]?.below[0]?.cid as CID)).toBeUndefined()
    outline.clear()
    expect([outline.size, ahead(outline)]).toEqual([0, []])
  })

  it('is not slowed down by chains, nor by blocks that nobody linked to', () => {
    const outline = new DagOutline()
    for (let i = 0; i < 30_000; i++) {
      read(outline, { cid: unpublished(i), below: [{ cid: unpublished(i + 1), below: [] }] })
      read(outline, { cid: unpublished(100_000 + i), below: [] })
    }
    expect(outline.size).toBeLessThanOrEqual(MAX_PLACES)
    expect(ahead(outline).length).toBeLessThanOrEqual(MAX_PLACES)
  })
})
