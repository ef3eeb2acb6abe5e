import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interfaceBlockstoreTests } from 'interface-blockstore-tests'
import { afterEach, beforeEach, describe, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

// the suite expects a test runner's functions as globals
Object.assign(globalThis, { describe, it, beforeEach, afterEach })

const directories = new WeakMap<BlockCache, string>()

describe.each([
  ['with memory', 64_000_000],
  ['from disk alone', 0]
])('the cache is a blockstore, %s', (_, memoryBytes) => {
  interfaceBlockstoreTests<BlockCache>({
    async setup () {
      const path = await mkdtemp(join(tmpdir(), 'portolan-suite-'))
      const cache = await openBlockCache({ path, maxBytes: 64_000_000, memoryBytes })
      directories.set(cache, path)
      return cache
    },
    async teardown (cache) {
      await cache.close()
      await rm(directories.get(cache) ?? '', { recursive: true })
    }
  })
})
