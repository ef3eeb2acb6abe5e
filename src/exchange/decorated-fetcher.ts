import type { BlockFetcher } from '../interface/fetcher.ts'

/** The same fetcher but for what is changed. What it has besides the contract stays its own. */
export function decoratedFetcher (fetcher: BlockFetcher, changes: Partial<BlockFetcher>): BlockFetcher {
  const { stream, streams, proven, refuses, unusable, standing, announce, stop } = fetcher

  return {
    name: fetcher.name,
    transport: fetcher.transport,
    get trusted () { return fetcher.trusted },
    routes: provider => fetcher.routes(provider),
    fetch: async (want, route, attempt) => fetcher.fetch(want, route, attempt),
    ...stream == null ? {} : { stream: stream.bind(fetcher) },
    ...streams == null ? {} : { streams: streams.bind(fetcher) },
    ...proven == null ? {} : { proven: proven.bind(fetcher) },
    ...refuses == null ? {} : { refuses: refuses.bind(fetcher) },
    ...unusable == null ? {} : { unusable: unusable.bind(fetcher) },
    ...standing == null ? {} : { standing: standing.bind(fetcher) },
    ...announce == null ? {} : { announce: announce.bind(fetcher) },
    ...stop == null ? {} : { stop: stop.bind(fetcher) },
    ...changes
  }
}
