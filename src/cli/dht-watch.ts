import type { JoiningStats } from '../discovery/join/joiner.ts'
import type { Clock } from '../interface/clock.ts'

/** As often as the store is looked at: soon enough for whoever watches the log */
const INTERVAL = 5000
/** Times that nobody answered before it is worth a word: the first may have come before the network was up */
const ROUNDS = 2

export interface DHTWatchInit {
  readonly protocol: string
  /** Who was named to join through */
  readonly named: readonly string[]
  readonly clock: Clock
  /** Undefined while the node does not run */
  readonly joining: () => JoiningStats | undefined
  readonly warn: (text: string) => void
  readonly info: (text: string) => void
}

/**
 * Warns, once, when nobody of the DHT answers after the start: a name that was
 * mistyped looks like a block that nobody has. Says so when somebody does after all.
 *
 * @returns ends the watch
 */
export function watchDHT ({ protocol, named, clock, joining, warn, info }: DHTWatchInit): () => void {
  let cancel = (): void => {}
  let warned = false

  const look = (): void => {
    const { rounds = 0, answered = 0, failed = 0 } = joining() ?? {}

    if (answered > 0) {
      if (warned) {
        info(`joined the DHT ${protocol}`)
      }
      return
    }
    if (!warned && rounds >= ROUNDS && failed > 0) {
      warned = true
      warn(`nobody of the DHT ${protocol} has answered so far (libp2p.bootstrap: ${named.join(', ')}): they do not run, cannot be reached, have another peer id, or speak another libp2p.dhtProtocol. They are tried again, at least every 5 minutes`)
    }
    cancel = clock.schedule(INTERVAL, look)
  }
  if (named.length > 0) {
    cancel = clock.schedule(INTERVAL, look)
  }
  return () => { cancel() }
}
