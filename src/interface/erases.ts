/** A datastore that can do more than note what was deleted */
export interface Erases {
  /** What was deleted or replaced below the prefix is in none of its files any more */
  erase (prefix: string, options?: { signal?: AbortSignal }): Promise<void>
}
