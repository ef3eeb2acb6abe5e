import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { encodeMessage } from '../../src/exchange/bitswap/encode-message.ts'
import { FrameReader } from '../../src/exchange/bitswap/frame-reader.ts'
import { BITSWAP_PROTOCOLS } from '../../src/exchange/bitswap/message.ts'
import type { BitswapProtocol, BlockPayload, OutgoingMessage, WantEntry } from '../../src/exchange/bitswap/message.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'

export interface BitswapSpyInit {
  /** @default all three */
  protocols?: readonly BitswapProtocol[]
  /** What it says to a message, if anything */
  answer? (wants: readonly WantEntry[], spy: BitswapSpy): OutgoingMessage | undefined
  /** Reads nothing of what arrives */
  deaf?: boolean
}

/** A peer at the other end of real connections that writes down every line of every want-list */
export interface BitswapSpy {
  readonly libp2p: Libp2p
  readonly peer: string
  readonly multiaddrs: readonly string[]
  /** Wants and cancels in the order in which they came */
  readonly lines: readonly WantEntry[]
  readonly wants: readonly WantEntry[]
  readonly cancels: readonly WantEntry[]
  /** Blocks that came */
  readonly blocks: readonly BlockPayload[]
  /** Messages that came */
  readonly messages: number
  /** Streams that were opened, and by which protocol */
  readonly streams: readonly Stream[]
  /** Resolves as soon as it is so; looked at again whenever something came */
  until (condition: (spy: BitswapSpy) => boolean): Promise<void>
  /** Says something to everybody who is connected */
  say (message: OutgoingMessage): Promise<void>
  /** A stream of its own, to write on what it likes */
  open (protocol?: BitswapProtocol): Promise<Stream>
  stop (): Promise<void>
}

export async function bitswapSpy (init: BitswapSpyInit = {}): Promise<BitswapSpy> {
  const lines: WantEntry[] = []
  const streams: Stream[] = []
  const blocks: BlockPayload[] = []
  const protocols = [...init.protocols ?? BITSWAP_PROTOCOLS]
  let waiting: Array<() => void> = []
  let messages = 0

  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    connectionMonitor: { enabled: false }
  })

  const spy: BitswapSpy = {
    libp2p,
    peer: libp2p.peerId.toString(),
    get multiaddrs () { return libp2p.getMultiaddrs().map(String) },
    lines,
    blocks,
    get wants () { return lines.filter(({ cancel }) => !cancel) },
    get cancels () { return lines.filter(({ cancel }) => cancel) },
    get messages () { return messages },
    streams,
    async until (condition) {
      while (!condition(spy)) {
        await new Promise<void>(resolve => { waiting.push(resolve) })
      }
    },
    async say (message) {
      await Promise.all(libp2p.getConnections().map(async connection => { await write(connection, message) }))
    },
    async open (protocol) {
      const [connection] = libp2p.getConnections()

      if (connection == null) {
        throw new Error('Nobody is connected to the spy')
      }
      return connection.newStream(protocol ?? [...protocols], { signal: AbortSignal.timeout(10_000) })
    },
    async stop () {
      await libp2p.stop()
    }
  }

  function tell (): void {
    const told = waiting
    waiting = []
    told.forEach(resolve => { resolve() })
  }

  async function write (connection: Connection, message: OutgoingMessage): Promise<void> {
    const stream = await connection.newStream([...protocols], { signal: AbortSignal.timeout(10_000) })

    for (const piece of encodeMessage(message, stream.protocol as BitswapProtocol)) {
      stream.send(piece)
    }
    await stream.close()
  }

  await libp2p.handle(protocols, (stream, connection) => {
    streams.push(stream)

    if (init.deaf === true) {
      stream.pause()
      tell()
      return
    }

    const reader = new FrameReader()
    stream.addEventListener('message', ({ data }) => {
      reader.push(data, message => {
        messages++
        lines.push(...message.wants)
        blocks.push(...message.blocks)
        const answer = init.answer?.(message.wants, spy)

        if (answer != null) {
          write(connection, answer).catch((error: unknown) => { connection.log.error('the spy could not answer - %e', error) })
        }
      })
      tell()
    })
    stream.addEventListener('close', tell)
    tell()
  }, { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 })

  return spy
}
