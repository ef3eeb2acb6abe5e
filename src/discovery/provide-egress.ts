import { AbortError } from 'p-retry'
import { raceSignal } from '../clock/race-signal.ts'
import { isNobodyThere } from './router-lookup.ts'
import type { Request } from '../interface/request.ts'
import type { CID } from 'multiformats/cid'

/** `helia.routing`, or `libp2p.contentRouting` */
export interface Provides {
  provide (cid: CID, options?: { signal?: AbortSignal }): Promise<void>
  /** Whoever announces again by himself leaves this one out from now on */
  cancelReprovide? (cid: CID, options?: { signal?: AbortSignal }): Promise<void>
}

/**
 * Publishes that this node has a block through the node's own routers. Which of
 * them tell whom is the node's composition. Trying again does not help where
 * there is no router, so that error ends the retries.
 *
 * @param name - who is told, as the ledger calls it
 */
export function providing (name: string, getRouting: () => Provides): (cid: CID, request: Request) => Promise<void> {
  return async (cid, request) => {
    const disclosure = request.disclose({ observer: `router:${name}`, form: 'cid', transport: 'foreign', audience: 'unbounded' })

    try {
      await raceSignal(getRouting().provide(cid, { signal: request.signal }), request.signal)
      disclosure.sent()
    } catch (err) {
      if (isNobodyThere(err)) {
        disclosure.notSent()
        throw new AbortError(err as Error)
      }
      disclosure.unknown()
      throw err
    }
  }
}

/** Has the node's own routers announce a block no more by themselves: nobody is told of it */
export function withdrawing (getRouting: () => Provides): (cid: CID, options: { signal: AbortSignal }) => Promise<void> {
  return async (cid, { signal }) => {
    try {
      await raceSignal(getRouting().cancelReprovide?.(cid, { signal }) ?? Promise.resolve(), signal)
    } catch (err) {
      // where there is no router nothing was announced
      if (!isNobodyThere(err)) {
        throw err
      }
    }
  }
}
