import { HttpError } from './http-error.ts'
import { sendLines, working } from './lines.ts'
import { sendJson } from './respond.ts'
import type { Exchange, Method } from './server.ts'
import type { BlockCache, CacheEntry, CacheProgress, CacheVerifyProgress } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'

/** What an operator does with a cache */
export type CacheTools = Pick<BlockCache, 'stats' | 'health' | 'ls' | 'verify' | 'gc' | 'clear'>

export const CACHE_PATH = '/api/cache/'

/** Lines are gathered: a list of a million blocks is not a million writes */
const PIECE = 16_384

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
      case 'verify': return verified(cache.verify({ signal }))
      case 'gc': return working<CacheProgress>(async tell => cache.gc({ signal, onProgress: ({ detail }) => { tell(detail) } }))
      default: return working<CacheProgress>(async tell => cache.clear({ signal, onProgress: ({ detail }) => { tell(detail) }, authored: query.get('authored') === 'true' }))
    }
  }
  await sendLines(response, lines(), action === 'ls' ? PIECE : 0, { ...options, signal })
}

function entryJson ({ cid, size, kind }: CacheEntry): object {
  return { cid: cid.toString(), size, kind }
}

/** How far it is, and then what came of it, as of all that takes long */
async function * verified (progress: AsyncIterable<CacheVerifyProgress>): AsyncGenerator<object> {
  let result: object = { blocks: 0, bytes: 0, damagedBlocks: 0, unreadBlocks: 0 }

  for await (const { blocks, bytes, totalBlocks, damaged, damagedBlocks, unreadBlocks } of progress) {
    result = { blocks, bytes, damagedBlocks, unreadBlocks }
    yield { ...result, totalBlocks, damaged: damaged.map(String) }
  }
  yield { done: true, ...result }
}

async function * map<T> (items: AsyncIterable<T>, change: (item: T) => object): AsyncGenerator<object> {
  for await (const item of items) {
    yield change(item)
  }
  // without it the list was cut off
  yield { done: true }
}
