import { describe, expect, it } from 'vitest'
import { MemoryFiles } from './support/memory-files.ts'
import { PER_SEGMENT, SEGMENTS, blocks, held, open, segment, sidecar } from './support/seven-blocks.ts'

async function filled (): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  const { tier } = await open(files)
  for (const { multihash, bytes } of blocks) {
    await tier.write(multihash, bytes, 'fetched')
  }
  await tier.close()
  return files
}

function rename (files: MemoryFiles, from: string, to: string): Buffer {
  const inode = files.inodes.get(from) ?? expect.fail(`there is no ${from}`)
  files.inodes.delete(from)
  files.inodes.set(to, inode)
  return inode.bytes
}

describe('a file of segments under another name', () => {
  it.each([
    [3, 777],
    [4, 2]
  ])('with %d of the seven blocks that a sidecar lists is segment %d: most of them must be there', async (left, id) => {
    const files = await filled()
    const bytes = rename(files, segment(2), segment(777))
    const inode = files.inodes.get(segment(777)) ?? expect.fail('it was renamed')
    inode.bytes = Buffer.from(bytes.subarray(0, Math.ceil(bytes.byteLength / PER_SEGMENT * left)))
    await open(files)
    expect(files.paths('.seg').filter(path => [segment(2), segment(777)].includes(path))).toEqual([segment(id)])
  })

  it('is not written over a file whose own name nobody knows', async () => {
    const files = await filled()
    const second = rename(files, segment(2), segment(777))
    const third = rename(files, segment(3), segment(2))
    files.inodes.delete(sidecar(3))

    const { tier, report } = await open(files)
    expect([files.inodes.get(segment(777))?.bytes, files.inodes.get(segment(2))?.bytes]).toEqual([second, third])
    expect(report.repairs.join('\n')).not.toContain('has its own name again')
    expect(await held(tier)).toEqual(blocks.map((_, i) => i))
  })

  it('has its own one safely before anything else is done', async () => {
    const files = await filled()
    rename(files, segment(2), segment(777))
    rename(files, segment(3), segment(2))
    rename(files, segment(777), segment(3))
    const done: string[] = []
    files.fault = (operation, path) => {
      done.push(`${operation} ${path}`)
      return undefined
    }
    const { tier } = await open(files)
    const renamed = done.findLastIndex(what => what.startsWith('rename') && what.endsWith('.seg'))
    expect([renamed > 0, done[renamed + 1]]).toEqual([true, `syncDirectory ${SEGMENTS}`])
    expect(await held(tier)).toEqual(blocks.map((_, i) => i))
  })
})
