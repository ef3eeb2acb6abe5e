import { DEFAULT_MAX_BLOCK_SIZE } from '../../../block/verify.ts'
import { InvalidOptionError } from '../../../interface/errors.ts'
import { quote } from '../../../interface/quote.ts'
import { MAX_MESSAGE_SIZE } from '../message.ts'

export interface ServeLimits {
  /** Wants remembered per peer; beyond it the lowest priority goes */
  readonly wantsPerPeer: number
  /** Wants remembered over all peers; beyond it those with the most wants lose their lowest */
  readonly wants: number
  /** Peers with a state of their own; an idle one makes room for a newcomer, or one that took nothing when it had its chance */
  readonly peers: number
  /** Bytes of blocks that one message gathers before it is sent; a larger block goes alone */
  readonly messageBytes: number
  /** Largest block that is served */
  readonly blockBytes: number
  /** Bytes of blocks in memory, over all peers: being read, loaded, being written */
  readonly memory: number
  /** The same for one peer */
  readonly memoryPerPeer: number
  /** A block of at most as many bytes is sent at once to whoever asked whether we have it; 0 for never */
  readonly inlineBytes: number
  /** Presence lookups under way at once, over all peers */
  readonly lookups: number
  /** Longest that a finished answer waits for others to share its message, in ms */
  readonly batchDelay: number
  /** Longest that a read of the store may take, in ms */
  readonly readTimeout: number
  /** A message of which nothing was taken for as long is given up, in ms */
  readonly stallTimeout: number
  /** The same while others wait for the memory that it holds */
  readonly stallTimeoutUnderPressure: number
  /** Pace below which a message is given up even though it moves, in bytes per second */
  readonly minPace: number
  /** How long a peer that stalled is not served again, in ms */
  readonly stallPause: number
  /** Answers a second that a peer which may not be served is given */
  readonly refusalsPerSecond: number
}

export const DEFAULT_SERVE_LIMITS: ServeLimits = {
  // what boxo and Helia accept, so that nobody who behaves towards them is cut short here
  wantsPerPeer: 1_024,
  // about 300 bytes each: 40 MB when 128 peers fill theirs
  wants: 131_072,
  // several times the connections that libp2p keeps (300)
  peers: 1_024,
  // one block of 1 MiB or four of 256 KiB: see docs/decisions.md, messages of a mebibyte
  messageBytes: 1_048_576,
  // what the whole network transfers
  blockBytes: DEFAULT_MAX_BLOCK_SIZE,
  // 64 messages of the usual size; RSS must not grow by more because of peers that never read
  memory: 67_108_864,
  // a message on its way, one ready, and three reads that may each turn out to be 2 MiB
  memoryPerPeer: 8_388_608,
  // as boxo: below this, a second round trip costs more than the block
  inlineBytes: 1_024,
  // enough to keep a disk busy, few enough not to crowd out the node's own reads
  lookups: 128,
  // far below a round trip, above the read of a block from disk
  batchDelay: 5,
  // a disk that takes longer is broken, and the peer asks somebody else by then
  readTimeout: 10_000,
  // TCP repairs a lost path within seconds; longer silence is somebody who does not read
  stallTimeout: 20_000,
  // a hundred round trips
  stallTimeoutUnderPressure: 2_000,
  // 100 kbit/s, as boxo
  minPace: 12_500,
  // so that a peer that never reads holds memory for less than half of the time
  stallPause: 30_000,
  // more than one session asks, 6 kB/s on the wire
  refusalsPerSecond: 128
}

type Range = readonly [min: number, max: number]

/** A day: beyond it a timer is a mistake in units */
const MAX_MS = 86_400_000
const MAX_BYTES = 2 ** 40

/** What a message carries besides its blocks and presences: pendingBytes, an empty want-list, the length before it */
const MESSAGE_OVERHEAD = 64

/** What the blocks and presences of one message may take on the wire */
export const MESSAGE_ROOM = MAX_MESSAGE_SIZE - MESSAGE_OVERHEAD

/** Prefix of the CID, field tags and lengths of one block or presence */
export const ENTRY_OVERHEAD = 64

const RANGES: Readonly<Record<keyof ServeLimits, Range>> = {
  wantsPerPeer: [1, 65_536],
  wants: [1, 16_777_216],
  peers: [1, 1_048_576],
  messageBytes: [1, MESSAGE_ROOM - ENTRY_OVERHEAD],
  blockBytes: [1, MESSAGE_ROOM - ENTRY_OVERHEAD],
  memory: [1, MAX_BYTES],
  memoryPerPeer: [1, MAX_BYTES],
  inlineBytes: [0, 65_536],
  lookups: [1, 65_536],
  batchDelay: [0, MAX_MS],
  readTimeout: [1, MAX_MS],
  stallTimeout: [1, MAX_MS],
  stallTimeoutUnderPressure: [1, MAX_MS],
  minPace: [1, MAX_BYTES],
  stallPause: [0, MAX_MS],
  refusalsPerSecond: [0, 1_000_000]
}

/** Fills in the defaults and refuses what makes no sense, each limit by name */
export function serveLimits (init: Partial<ServeLimits> = {}): ServeLimits {
  const limits: Record<keyof ServeLimits, number> = { ...DEFAULT_SERVE_LIMITS }

  for (const [name, value] of Object.entries(init)) {
    const range = (RANGES as Readonly<Record<string, Range | undefined>>)[name]

    if (range == null) {
      throw new InvalidOptionError(`There is no limit on serving called ${quote(name)}; there are ${Object.keys(RANGES).join(', ')}`)
    }

    if (value == null) {
      continue
    }

    if (!Number.isSafeInteger(value) || value < range[0] || value > range[1]) {
      throw new InvalidOptionError(`${name} must be a whole number from ${range[0]} to ${range[1]}, got ${quote(value)}`)
    }

    limits[name as keyof ServeLimits] = value
  }

  if (limits.memoryPerPeer < limits.blockBytes) {
    throw new InvalidOptionError(`memoryPerPeer must hold a block, at least ${limits.blockBytes} bytes, got ${limits.memoryPerPeer}`)
  }

  // half of it is kept for peers that have shown that they read
  if (limits.memory < 2 * limits.blockBytes) {
    throw new InvalidOptionError(`memory must hold two blocks, at least ${2 * limits.blockBytes} bytes, got ${limits.memory}`)
  }

  return limits
}
