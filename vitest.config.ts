import { defineConfig } from 'vitest/config'

/** Suites that need more than npm (Redis, Chromium, Go, minutes): each has a script of its own */
const SLOW = 'test/e2e/**/*.slow.test.ts'
const INTEROP = 'test/interop/**/*.test.ts'
const FAULTS = 'test/faults/**/*.test.ts'
const PACKAGE = 'test/package/**/*.test.ts'

/** Where `.ci/run` wants to read how many tests passed */
const report = process.env.PORTOLAN_TEST_REPORT

export default defineConfig({
  // the blockstore suite imports its assertions from a build tool that is not installed
  resolve: { alias: { 'aegir/chai': new URL('./test/cache/support/aegir-chai.ts', import.meta.url).pathname } },
  test: {
    server: { deps: { inline: ['interface-blockstore-tests'] } },
    reporters: report == null ? ['default'] : ['default', ['json', { outputFile: report }]],
    // A test that passes at the second try is a defect, not a success
    retry: 0,
    globals: false,
    environment: 'node',
    projects: [
      {
        extends: true,
        test: {
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: [SLOW, INTEROP, FAULTS, PACKAGE],
          // Real Helia nodes on a busy two-core machine take seconds to start, virtual-clock tests milliseconds
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      },
      { extends: true, test: { name: 'e2e', include: [SLOW], testTimeout: 120_000, hookTimeout: 60_000 } },
      { extends: true, test: { name: 'interop', include: [INTEROP], testTimeout: 180_000, hookTimeout: 180_000, fileParallelism: false } },
      { extends: true, test: { name: 'faults', include: [FAULTS], testTimeout: 300_000, hookTimeout: 60_000, fileParallelism: false } },
      { extends: true, test: { name: 'package', include: [PACKAGE], testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false } }
    ]
  }
})
