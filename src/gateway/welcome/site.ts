import { directoryNode, fileNode } from './dag.ts'
import { welcomePage } from './page.ts'
import { COMPASS_ROSE, HARBOURS, HELLO } from './texts.ts'
import type { Block } from '../../interface/fetcher.ts'
import type { CID } from 'multiformats/cid'

export interface WelcomeSite {
  /** The directory with `index.html` */
  readonly root: CID
  /** A text file in it */
  readonly hello: CID
  /** A directory in it without an `index.html` */
  readonly harbours: CID
  readonly blocks: readonly Block[]
}

/** Makes the welcome site. The same program makes the same CIDs everywhere. */
export async function welcomeSite (): Promise<WelcomeSite> {
  const hello = await fileNode(HELLO)
  const texts = await Promise.all(Object.entries(HARBOURS).map(async ([name, text]) => [name, await fileNode(text)] as const))
  const harbours = await directoryNode({ ...Object.fromEntries(texts), 'compass-rose.svg': await fileNode(COMPASS_ROSE) })
  const index = await fileNode(welcomePage({ hello: hello.cid, harbours: harbours.cid }))
  const root = await directoryNode({ 'index.html': index, 'hello.txt': hello, harbours })

  return { root: root.cid, hello: hello.cid, harbours: harbours.cid, blocks: root.blocks }
}
