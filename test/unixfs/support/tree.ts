import type { Blocks, NodeLinkInit } from './blocks.ts'
import type { CID } from 'multiformats/cid'

/** A file of equal chunks, which are one block many times: large files in few bytes */
export async function evenFile (blocks: Blocks, { size, chunk, links }: { size: number, chunk: number, links: number }): Promise<CID> {
  const cid = await blocks.raw(new Uint8Array(chunk))
  let level: Array<Required<Omit<NodeLinkInit, 'name'>> & { size: number }> = Array.from({ length: size / chunk }, () => ({ cid, size: chunk, tsize: chunk }))

  while (level.length > 1) {
    const above: typeof level = []

    for (let i = 0; i < level.length; i += links) {
      const children = level.slice(i, i + links)
      const cid = await blocks.file(children)
      const sum = (name: 'size' | 'tsize'): number => children.reduce((sum, child) => sum + child[name], 0)
      above.push({ cid, size: sum('size'), tsize: blocks.block(cid).byteLength + sum('tsize') })
    }

    level = above
  }

  return (level[0] as { cid: CID }).cid
}
