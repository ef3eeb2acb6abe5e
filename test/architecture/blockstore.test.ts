import { describe, expect, it } from 'vitest'
import { lockedReads, UNDER_RETRIEVAL } from './rules/blockstore.ts'
import { sourceTree, withSnippet } from './support/program.ts'
import { formatViolations, listSources, roomOf } from './support/source-tree.ts'

describe('helia.blockstore', () => {
  it('is touched by nobody under retrieval, except to unwrap it', () => {
    const tree = sourceTree()
    const files = listSources().filter(file => UNDER_RETRIEVAL.includes(roomOf(file) ?? ''))
    expect(files.length).toBeGreaterThan(0)
    expect(formatViolations(files.flatMap(file => lockedReads(tree.source(file), file, tree)))).toEqual([])
  })
})

describe('the blockstore rule itself', () => {
  const file = 'src/routing/self-test.ts'
  const check = (text: string): number => {
    const tree = withSnippet(file, `import type { Helia } from '@helia/interface'\nimport type { Blockstore } from 'interface-blockstore'\nexport type T = Helia | Blockstore\n${text}`)
    return lockedReads(tree.source(file), file, tree).length
  }

  it.each([
    ['a read', "import type { CID } from 'multiformats/cid'\nexport const f = (helia: Helia, cid: CID) => helia.blockstore.get(cid)"],
    ['passing it on', 'export const f = (n: { h: Helia }) => [n.h.blockstore]'],
    ['taking it out', 'export const f = ({ blockstore }: Helia) => blockstore'],
    ['a string key', "export const f = (helia: Helia) => helia['blockstore']"],
    ['what has no type', 'export const f = (helia: any) => helia.blockstore']
  ])('sees %s', (_, text) => {
    expect(check(text)).toBe(1)
  })

  it.each([
    ['unwrap', 'export const f = (helia: { blockstore: { unwrap (): Blockstore } }) => helia.blockstore.unwrap()'],
    ['a raw store', 'export const f = (components: { blockstore: Blockstore }) => components.blockstore']
  ])('leaves %s alone', (_, text) => {
    expect(check(text)).toBe(0)
  })
})
