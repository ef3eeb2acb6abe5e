import { processReadBudget } from '../block/read-budget.ts'
import { UnixFSError } from '../interface/errors.ts'
import { listDirectory } from '../unixfs/list-directory.ts'
import { resolvePath } from '../unixfs/path.ts'
import { readFile } from '../unixfs/read-file.ts'
import type { Files } from '../gateway/components.ts'

/** UnixFS as the gateway takes it */
export const unixfsFiles: Files = {
  async resolve (root, names, load, options) {
    const { cid, type, size } = await resolvePath(root, names, load, options)

    switch (type) {
      case 'raw':
      case 'file': return { cid, type: 'file', size: size ?? 0 }
      case 'directory': return { cid, type, size: 0 }
      case 'symlink': throw new UnixFSError('unsupported', `${cid} is a symlink, which is not followed`)
      case 'other': throw new UnixFSError('unsupported', `${cid} has codec 0x${cid.code.toString(16)}: files and directories are raw or dag-pb`)
    }
  },
  list: (cid, load, options) => listDirectory(cid, load, { ...options, budget: processReadBudget }),
  read: (cid, load, options) => readFile(cid, load, { ...options, budget: processReadBudget })
}
