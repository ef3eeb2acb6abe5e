import process from 'node:process'
import { setFlagsFromString } from 'node:v8'

/** The first V8 that has the flag: that of Node 24. An older one would complain on standard error. */
const FIRST_V8 = 13

/**
 * Has the garbage collector weigh buffers outside its heap together with what is
 * in it. Without that it marks the whole heap after every 64 MiB of them, however
 * little there is to free: a quarter of the time of a node that transfers files.
 * Holds for the whole process, so it is for whoever owns that to call, once, at
 * the start; `portolan serve` does. Does nothing where this Node has no such choice.
 */
export function accountExternalMemory (): void {
  if (Number.parseInt(process.versions.v8, 10) >= FIRST_V8) {
    setFlagsFromString('--external-memory-accounted-in-global-limit')
  }
}
