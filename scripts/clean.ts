/** Removes what a build made, so that a deleted source file leaves nothing behind in the package. */
import { rm } from 'node:fs/promises'

const root = new URL('..', import.meta.url)

for (const path of ['dist', 'tsconfig.tsbuildinfo']) {
  await rm(new URL(path, root), { recursive: true, force: true })
}
