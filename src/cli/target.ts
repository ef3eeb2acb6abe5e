import { InvalidCIDError, UnixFSError } from '../interface/errors.ts'
import { parsePath } from '../unixfs/path.ts'
import type { Target } from './reader.ts'

/** Reads `CID[/PATH]`; whatever else it is (an IPNS name, a path with dots) is as wrong as what is no CID, and nothing is tried */
export function parseTarget (text: string): Target {
  try {
    return parsePath(text)
  } catch (err) {
    throw err instanceof UnixFSError ? new InvalidCIDError(err.message, { cause: err }) : err
  }
}
