import { quote } from '../../interface/quote.ts'
import { fileProblem, readBoundedFile } from './bounded-file.ts'
import { MembershipGroupError } from './errors.ts'
import { MAX_GROUP_BYTES, MembershipGroup } from './membership-group.ts'

/** Reads the file of a group and checks every signature in it. Throws a `MembershipGroupError` that begins with the path. */
export async function readMembershipGroup (path: string, options: { signal?: AbortSignal } = {}): Promise<MembershipGroup> {
  let bytes: Uint8Array
  try {
    bytes = await readBoundedFile(path, MAX_GROUP_BYTES, options)
  } catch (err) {
    options.signal?.throwIfAborted()
    throw new MembershipGroupError(`the file of the group ${quote(path)} cannot be read: ${fileProblem(err)}`, { cause: err })
  }

  try {
    return await MembershipGroup.parse(bytes, options)
  } catch (err) {
    options.signal?.throwIfAborted()
    throw new MembershipGroupError(`${quote(path)}: ${(err as Error).message}`, { cause: err })
  }
}
