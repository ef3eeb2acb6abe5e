import { HttpError } from './http-error.ts'
import { sendLines, working } from './lines.ts'
import { sendJson } from './respond.ts'
import type { Exchange } from './server.ts'
import type { Clock } from '../interface/clock.ts'
import type { ContentRouting } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** What an operator does about announcements */
export interface AnnounceTools extends Pick<ContentRouting, 'announce' | 'cancel'> {
  parseCID (text: string): CID
  /** Whether a block is stored: what is not cannot be had here */
  has (cid: CID): boolean | Promise<boolean>
  /** Undefined where there is no DHT */
  stats (): object | undefined
}

export const ANNOUNCE_PATH = '/api/announce'
const CANCEL_PATH = `${ANNOUNCE_PATH}/cancel`
const NO_DHT = 'This node is part of no DHT: name peers to join one through (libp2p.bootstrap, --bootstrap), or make it a server of one (libp2p.dhtServer, --dht-server).'

interface Announced {
  readonly announced: number
  readonly lookups: number
}

/**
 * Answers `/api/announce`: GET what is announced, POST `?cids=CID,CID` announces these, a line of JSON for how far it is and
 * the last one with `done`; POST `/api/announce/cancel` announces them no more.
 */
export async function answerAnnounce (exchange: Exchange, tools: AnnounceTools, options: { clock: Clock, stallTimeout: number }): Promise<void> {
  const { path, method, response, signal, query } = exchange

  if (path === ANNOUNCE_PATH && method !== 'POST') {
    const stats = tools.stats()

    if (stats == null) {
      throw new HttpError(404, NO_DHT)
    }
    sendJson(response, 200, stats)
    return
  }
  if (path !== ANNOUNCE_PATH && path !== CANCEL_PATH) {
    throw new HttpError(404, `There is no ${path}. There are ${ANNOUNCE_PATH} and ${CANCEL_PATH}.`)
  }
  if (method !== 'POST') {
    throw new HttpError(405, `${path} is for POST.`, { headers: { allow: 'POST' } })
  }
  const cids = (query.get('cids') ?? '').split(',').filter(text => text !== '').map(text => tools.parseCID(text))

  if (cids.length === 0) {
    throw new HttpError(400, 'The CIDs are missing: ?cids=CID,CID.')
  }
  if (path === CANCEL_PATH) {
    await tools.cancel(cids, { signal })
    sendJson(response, 200, { cancelled: cids.length })
    return
  }
  if (tools.stats() == null) {
    throw new HttpError(409, `${NO_DHT} Nothing was announced.`)
  }
  for (const cid of cids) {
    if (!await tools.has(cid)) {
      throw new HttpError(404, `${cid} is not stored here, so that whoever came for it would get nothing: nothing was announced.`)
    }
  }
  await sendLines(response, working<Announced>(async tell => announced(tools, cids, tell, signal)), 0, { ...options, signal })
}

async function announced (tools: AnnounceTools, cids: readonly CID[], tell: (progress: Announced) => void, signal: AbortSignal): Promise<object> {
  let announced = 0
  const failed: string[] = []

  try {
    await tools.announce(cids, {
      signal,
      onProgress: ({ detail: { swept, lookups } }) => {
        announced += swept.filter(({ holders }) => holders > 0).length
        tell({ announced, lookups })
      }
    })
  } catch (err) {
    const { name, errors } = err as AggregateError

    if (name !== 'AggregateError') {
      throw err
    }
    failed.push(...errors.map((error: unknown) => (error as Error).message))
  }
  return { announced: cids.length - failed.length, failed }
}
