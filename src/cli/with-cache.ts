import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StoreLockedError } from '../config/errors.ts'
import { cacheSizeAsBefore } from './cache-size.ts'
import { UsageError } from './exit-code.ts'
import { OpenCache, RemoteCache } from './cache-tools.ts'
import { runningNode, storeIsTaken } from './running-node.ts'
import type { CacheTools } from './cache-tools.ts'
import type { CommandContext } from './command.ts'

/** Uses the cache of the node that runs on the store; where none runs, opens it for as long as it is used */
export async function withCache<T> (context: CommandContext, use: (cache: CacheTools) => Promise<T>): Promise<T> {
  const { config } = context

  if (!existsSync(config.store)) {
    throw new UsageError(`there is no store at ${config.store}; --store DIR says where it is`)
  }
  if (!await storeIsTaken(context)) {
    // what is not ours gets no records beside it before the cache refuses it
    if (!existsSync(join(config.store, 'cache', 'format.json')) && !existsSync(join(config.store, 'blocks'))) {
      throw new UsageError(`there is no cache in ${config.store}, and nothing was made there; --store DIR says where the store is`)
    }
    try {
      return await withOwn(context, use)
    } catch (err) {
      // taken by somebody in this moment
      if (!(err instanceof StoreLockedError)) {
        throw err
      }
    }
  }
  return await use(new RemoteCache(await runningNode(context)))
}

async function withOwn<T> (context: CommandContext, use: (cache: CacheTools) => Promise<T>): Promise<T> {
  const { startNode } = await import('./start-node.ts')
  // a whole node, because it knows what is pinned; one that asks nobody and answers nobody
  const node = await startNode(context, { maxBytes: await cacheSizeAsBefore(context), listen: [], serve: 'none', announce: 'none', dhtServer: false, providers: [], routers: [], bootstrap: [], siblings: [] })
  try {
    if (node.cache == null) {
      throw new UsageError(`the store ${context.config.store} has no cache`)
    }
    return await use(new OpenCache(node.cache))
  } finally {
    await node.stop()
  }
}
