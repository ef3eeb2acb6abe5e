import type { ProviderGroup } from './provider-group.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { Timeline } from './timeline.ts'
import type { FetchError } from '../interface/errors.ts'
import type { Provider, ProviderId } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** How a retrieval ended */
export type RetrievalEnd =
  | { readonly kind: 'delivered', readonly bytes: Uint8Array, readonly provider: Provider }
  | { readonly kind: 'not-found', readonly errors: readonly FetchError[], readonly certain: boolean, readonly why: string }
  | { readonly kind: 'failed', readonly errors: readonly FetchError[], readonly certain: boolean, readonly why: string }

export interface RetrievalInit {
  readonly env: RoutingEnvironment
  readonly want: Want
  readonly request: RoutingRequest
  readonly group: ProviderGroup
  /** The root of the DAG, when the block is known to be a child of it */
  readonly parent?: Want
  readonly timeline: Timeline
  /** Who is bringing the block already, by another way */
  readonly busy?: ProviderId
  onProgress (phase: string, detail: Record<string, unknown>): void
  onEnd (end: RetrievalEnd): void
}
