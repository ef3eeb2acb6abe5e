import { announceSource, checkAnnounceStrategy } from '../helia/announce-source.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { DiscoveryAnnounceInit } from '../discovery/announce/announcements.ts'
import type { AnnounceStrategy } from '../interface/announce.ts'
import type { Helia } from '@helia/interface'

export interface AnnounceOption {
  /**
   * What is announced in the DHT without being asked for, within a minute or so and then every 22 h, as long as it is stored:
   * nothing, the roots of pins, every block that is pinned, or those and everything that was put here (`all`, which needs
   * a directory: a store in memory does not tell it from what was fetched). Needs `serve`, `listen` and a DHT (`bootstrap` or `dhtServer`).
   *
   * @default 'none'
   */
  announce?: AnnounceStrategy
}

/** What a strategy depends on */
export interface AnnounceSetting {
  readonly strategy: AnnounceStrategy
  /** Somebody who comes for a block gets it */
  readonly serves: boolean
  /** There is somewhere to come to */
  readonly listens: boolean
  /** There is a DHT to tell */
  readonly joins: boolean
  /** The store tells what was put there from what was fetched */
  readonly tellsApart: boolean
}

/** What these are called where they were given */
export type AnnounceNames = Readonly<Record<'announce' | 'serve' | 'listen' | 'bootstrap' | 'store', string>>

/** As options of `createPortolan` */
const OPTIONS: AnnounceNames = { announce: 'announce', serve: 'serve', listen: 'listen', bootstrap: 'bootstrap', store: 'store' }

/** A strategy that could never announce anything is a mistake: said before anything is opened */
export function checkAnnouncing ({ strategy, serves, listens, joins, tellsApart }: AnnounceSetting, names: AnnounceNames = OPTIONS): void {
  const why = (): string | undefined => {
    if (!serves) {
      return `whoever came for a block would get none, because ${names.serve} is "none": say who is served, or leave ${names.announce} out`
    }
    if (!joins) {
      return `there is no DHT to tell: name peers to join one through (${names.bootstrap}), or leave ${names.announce} out`
    }
    if (!listens) {
      return `nobody could come, because this node listens nowhere: give it an address (${names.listen}), or leave ${names.announce} out`
    }
    return strategy === 'all' && !tellsApart
      ? `a store in memory does not tell what was put there from what was fetched: name a directory (${names.store}), or announce "pinned"`
      : undefined
  }
  const reason = strategy === 'none' ? undefined : why()

  if (reason != null) {
    throw new InvalidOptionError(`${names.announce} is ${quote(strategy)}, and ${reason}`)
  }
}

export interface AnnouncingNode extends AnnounceOption {
  readonly serve?: unknown
  readonly listen?: readonly string[]
  readonly bootstrap?: readonly string[]
  readonly dhtServer?: boolean
  readonly store: string
}

/** What discovery announces by itself for a node with these options, and whether it may */
export function announceInit ({ announce, serve = 'none', listen = [], bootstrap = [], dhtServer = false, store }: AnnouncingNode, getHelia: () => Helia): Pick<DiscoveryAnnounceInit, 'serves' | 'source' | 'watch'> {
  const strategy = checkAnnounceStrategy(announce)
  const serves = serve !== 'none'
  checkAnnouncing({ strategy, serves, listens: listen.length > 0, joins: bootstrap.length > 0 || dhtServer, tellsApart: store !== 'memory' })
  return { serves: () => serves, ...strategy === 'none' ? {} : announceSource(getHelia, strategy) }
}
