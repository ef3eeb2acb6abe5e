/** How a server makes room, as its `INFO memory` says */
export interface MemoryPolicy {
  /** `allkeys-lru`, `noeviction`, …; absent: it does not say */
  readonly policy?: string
  /** Bytes; 0 is none, absent: it does not say */
  readonly limit?: number
}

export function memoryPolicy (info: string): MemoryPolicy {
  const policy = /^maxmemory_policy:([\w-]{1,64})\r?$/m.exec(info)?.[1]
  const limit = /^maxmemory:(\d{1,15})\r?$/m.exec(info)?.[1]
  return { policy, limit: limit == null ? undefined : Number(limit) }
}

/**
 * Why blocks are not written there. A server that evicts nothing is one that keeps somebody's
 * data: filled up by us it would refuse what it is there for.
 */
export function writeRefusal ({ policy }: MemoryPolicy): string | undefined {
  return policy === 'noeviction'
    ? 'its maxmemory-policy is noeviction, so it would fill up and refuse everybody\'s writes: nothing is written to it. Give it "CONFIG SET maxmemory-policy allkeys-lru" and a maxmemory if it is there as a cache'
    : undefined
}

/** What an operator should know, though it works */
export function memoryWarning ({ policy, limit }: MemoryPolicy): string | undefined {
  if (policy == null) {
    return 'it does not say what its maxmemory-policy is (INFO is not allowed, or leaves it out): make sure that it is none but noeviction'
  }
  return limit === 0 && policy !== 'noeviction'
    ? `it has no maxmemory, so its policy ${policy} never applies and only time takes blocks away`
    : undefined
}
