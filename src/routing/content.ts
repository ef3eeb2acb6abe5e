import { withOwnSignal } from '../clock/own-signal.ts'
import { raceSignal } from '../clock/race-signal.ts'
import type { RetrievalSession, RetrieveContentOptions, RetrieveOptions } from '../interface/routing.ts'
import type { ContentReader } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** The bytes of a file, read through one session; a reader who leaves stops the transfers at once */
export function readContent (
  reader: ContentReader,
  openSession: (root: CID, options: RetrieveOptions) => RetrievalSession,
  target: CID | string,
  { offset, length, ...options }: RetrieveContentOptions
): AsyncGenerator<Uint8Array, void, undefined> {
  return withOwnSignal(async function * (signal) {
    let session: RetrievalSession | undefined

    try {
      yield * reader(target, async (cid, load) => {
        session ??= openSession(cid, options)
        return session.retrieve(cid, { signal: load?.signal ?? signal, purpose: load?.purpose, needed: load?.needed, part: load?.part })
      }, { offset, length, signal })

      await raceSignal(session?.stored?.() ?? Promise.resolve(), signal)
    } finally {
      session?.close()
    }
  }, options.signal)
}
