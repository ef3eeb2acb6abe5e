import { readBoundedFile } from './bounded-file.ts'
import { MembershipGroupError } from './errors.ts'
import { MAX_GROUP_BYTES, MembershipGroup } from './membership-group.ts'

/** Reads the file of a group and checks every signature in it. Throws a `MembershipGroupError` that begins with the path. */
export async function readMembershipGroup (path: string, options: { signal?: AbortSignal } = {}): Promise<MembershipGroup> {
  try {
    return await MembershipGroup.parse(await readBoundedFile(path, MAX_GROUP_BYTES, options), options)
  } catch (err) {
    options.signal?.throwIfAborted()
    throw new MembershipGroupError(`${path}: ${(err as Error).message}`, { cause: err })
  }
}
