import { HttpError } from './http-error.ts'
import { sendBody, sendJson } from './respond.ts'
import type { Exchange, Method } from './server.ts'
import type { BlockCache, CacheEntry, CacheVerifyProgress } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'

/** What an operator does with a cache */
export type CacheTools = Pick<BlockCache, 'stats' | 'health' | 'ls' | 'verify' | 'gc' | 'clear'>

export const CACHE_PATH = '/api/cache/'

/** Whoever changes something sends POST: a link that is followed by mistake changes nothing */
const ACTIONS: ReadonlyMap<string, Method> = new Map<string, Method>([['stats', 'GET'], ['ls', 'GET'], ['verify', 'POST'], ['gc', 'POST'], ['clear', 'POST']])

/** Answers a path below `/api/cache/`: JSON, and for what takes long a line of JSON at a time, of which the last one has `done` */
export async function answerCache (exchange: Exchange, cache: CacheTools | undefined, options: { clock: Clock, stallTimeout: number }): Promise<void> {
  const { path, method, response, query, signal } = exchange
  const action = path.slice(CACHE_PATH.length)
  const wanted = ACTIONS.get(action)

  if (wanted == null) {
    throw new HttpError(404, `There is no ${CACHE_PATH}${action}. There are ${[...ACTIONS.keys()].join(', ')}.`)
  }
  if (cache == null) {
    throw new HttpError(404, 'This node keeps its blocks in memory and has no cache.')
  }
  if (method !== wanted) {
    throw new HttpError(405, `${CACHE_PATH}${action} is for ${wanted}.`, { headers: { allow: wanted } })
  }
  if (action === 'stats') {
    sendJson(response, 200, { ...cache.stats(), health: cache.health() })
  } else if (action === 'gc') {
    sendJson(response, 200, await cache.gc({ signal }))
  } else if (action === 'clear') {
    sendJson(response, 200, await cache.clear({ signal, authored: query.get('authored') === 'true' }))
  } else {
    const lines = action === 'ls' ? map(cache.ls({ signal }), entryJson) : map(cache.verify({ signal }), progressJson)
    await sendBody(response, encoded(lines), {
      ...options,
      signal,
      head: () => { response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }) }
    })
  }
}

function entryJson ({ cid, size, kind }: CacheEntry): object {
  return { cid: cid.toString(), size, kind }
}

function progressJson ({ damaged, ...counts }: CacheVerifyProgress): object {
  return { ...counts, damaged: damaged.map(String) }
}

async function * map<T> (items: AsyncIterable<T>, change: (item: T) => object): AsyncGenerator<object> {
  for await (const item of items) {
    yield change(item)
  }
  // without it the list was cut off
  yield { done: true }
}

/** Lines are gathered: a list of a million blocks is not a million writes */
const PIECE = 16_384

async function * encoded (lines: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let text = ''
  for await (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    // progress is for now
    if (text.length >= PIECE || 'totalBlocks' in line) {
      yield encoder.encode(text)
      text = ''
    }
  }
  yield encoder.encode(text)
}
