import { HttpError } from './http-error.ts'
import { sendBody, sendJson } from './respond.ts'
import type { Exchange, Method } from './server.ts'
import type { BlockCache, CacheEntry, CacheProgress, CacheProgressEvents, CacheVerifyProgress } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'
import type { ProgressOptions } from 'progress-events'

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
    return
  }
  const lines = (): AsyncIterable<object> => {
    switch (action) {
      case 'ls': return map(cache.ls({ signal }), entryJson)
      case 'verify': return map(cache.verify({ signal }), progressJson)
      case 'gc': return working(async onProgress => cache.gc({ signal, onProgress }))
      default: return working(async onProgress => cache.clear({ signal, onProgress, authored: query.get('authored') === 'true' }))
    }
  }
  await sendBody(response, encoded(lines(), action === 'ls' ? PIECE : 0), {
    ...options,
    signal,
    head: () => { response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }) }
  })
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

type Tell = NonNullable<ProgressOptions<CacheProgressEvents>['onProgress']>

/** How far it is, then what came of it. Whoever reads slowly hears of less: only the newest progress is kept for him */
async function * working (work: (onProgress: Tell) => Promise<object>): AsyncGenerator<object> {
  let latest: CacheProgress | undefined
  let changed = Promise.withResolvers<boolean>()
  const result = work(({ detail }) => {
    latest = detail
    changed.resolve(false)
  })
  const over = result.then(() => true, () => true)

  for (let isOver = false; !isOver;) {
    isOver = await Promise.race([over, changed.promise])
    if (latest != null) {
      const progress = latest
      latest = undefined
      changed = Promise.withResolvers()
      yield progress
    }
  }
  yield { done: true, ...await result }
}

/** Lines are gathered: a list of a million blocks is not a million writes */
const PIECE = 16_384

async function * encoded (lines: AsyncIterable<object>, piece: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let text = ''
  for await (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    // progress is for now
    if (text.length >= piece) {
      yield encoder.encode(text)
      text = ''
    }
  }
  yield encoder.encode(text)
}
