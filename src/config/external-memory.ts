import { PerformanceObserver, constants } from 'node:perf_hooks'
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'

/** The first V8 that has the flag: that of Node 24. An older one would complain on standard error. */
const FIRST_V8 = 13

/**
 * How much a small heap may grow, in percent, before it is collected again. V8 decides that by how quick collections
 * have been, and a node that transfers files leaves so little garbage in so much memory that it ends at a fifth: it then marks its
 * heap after every 10 MB of blocks.
 */
const GROWTH = 200

/**
 * In bytes, buffers included: a node that reads a file at full speed has 50 to 150 MB of blocks, windows and code after a
 * collection. Beyond it memory is worth more than time, and the heap grows as V8 thinks best.
 */
const SMALL = 268_435_456

let watching: PerformanceObserver | undefined

/**
 * Has the garbage collector weigh buffers outside its heap together with what is
 * in it, and lets a small heap grow to 3 times its size. Without the first it marks the whole heap after every 64 MiB of buffers, however
 * little there is to free, without the second after every 10: a third of the time of a node that transfers files.
 * Holds for the whole process, so it is for whoever owns that to call, once, at
 * the start; `portolan serve` does. Does nothing where this Node has no such choice.
 */
export function accountExternalMemory (): void {
  if (watching != null || Number.parseInt(process.versions.v8, 10) < FIRST_V8) {
    return
  }
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`)
  let small = true

  // does not keep the process running
  watching = new PerformanceObserver(list => {
    if (list.getEntries().some(entry => (entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR)) {
      const { heapUsed, external } = process.memoryUsage()
      const isSmall = heapUsed + external <= SMALL
      if (isSmall !== small) {
        small = isSmall
        // 0: as V8 thinks best
        setFlagsFromString(`--heap-growing-percent=${small ? GROWTH : 0}`)
      }
    }
  })
  watching.observe({ entryTypes: ['gc'] })
}
