/** What is counted since the server was made */
export interface ServeCounts {
  /** Messages, blocks and their bytes, and other answers that were taken */
  messages: number
  blocks: number
  bytes: number
  haves: number
  dontHaves: number
  /** Wants of peers that may not be served, and how many of them were answered at all */
  refused: number
  refusalsTold: number
  /** Wants of peers that had stalled before, and were not heard */
  paused: number
  /** Peers that were given up because they did not read */
  stalled: number
  /** Messages that made room for those of others, and were sent again later */
  setBack: number
  /** Peers that were given up because no stream to them held */
  broken: number
  /** Blocks and lookups that the store failed at */
  readFailures: number
}

/** What the server does and has done; plain JSON */
export interface ServeStats extends Readonly<ServeCounts> {
  readonly policy: 'none' | 'peers' | 'everyone' | 'allow-list'
  readonly peers: number
  readonly wants: number
  /** Blocks that somebody waits for and that are not here */
  readonly awaited: number
  /** Messages on their way */
  readonly sending: number
  /** Bytes of blocks in memory, now and at most */
  readonly memory: number
  readonly memoryPeak: number
  /** Wants that were dropped because a table was full */
  readonly dropped: number
  /** Messages of peers for whose wants there was no room at all */
  readonly turnedAway: number
}

export function noCounts (): ServeCounts {
  return {
    messages: 0,
    blocks: 0,
    bytes: 0,
    haves: 0,
    dontHaves: 0,
    refused: 0,
    refusalsTold: 0,
    paused: 0,
    stalled: 0,
    setBack: 0,
    broken: 0,
    readFailures: 0
  }
}
