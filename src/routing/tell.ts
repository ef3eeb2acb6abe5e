import { CustomProgressEvent } from 'progress-events'
import type { Logger } from '../interface/logger.ts'
import type { RetrieveOptions } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** Tells a caller how far its read has come. A callback that throws is the caller's affair: the flight is shared. */
export function tell (log: Logger, options: RetrieveOptions, cid: CID, phase: string, detail: Record<string, unknown>): void {
  try {
    options.onProgress?.(new CustomProgressEvent(`portolan:retrieve:${phase}`, { cid, ...detail }))
  } catch (err) {
    log.error('a progress callback threw - %e', err)
  }
}
