import type { LocalStore } from '../interface/cache.ts'
import type { CID } from 'multiformats/cid'

export interface ReadLocalOptions {
  readonly here: boolean
  readonly shared: boolean
  readonly signal?: AbortSignal
  /** Called when the block came from there */
  onShared? (): void
}

/** The bytes of a block in the store, whole, or in a level of it that others share; undefined when it is in neither */
export async function readLocal (store: LocalStore, cid: CID, { here, shared, signal, onShared }: ReadLocalOptions): Promise<Uint8Array | undefined> {
  const options = signal == null ? {} : { signal }

  if (!here || !await store.has(cid, options)) {
    const bytes = shared ? await store.getShared?.(cid, options) : undefined
    if (bytes != null) {
      onShared?.()
    }
    return bytes
  }

  let first: Uint8Array | undefined
  let rest: Uint8Array[] | undefined

  for await (const chunk of store.get(cid, options)) {
    if (first == null) {
      first = chunk
    } else {
      rest ??= []
      rest.push(chunk)
    }
  }

  return rest == null ? first ?? new Uint8Array(0) : concat([first as Uint8Array, ...rest])
}

function concat (chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let offset = 0

  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }

  return whole
}
