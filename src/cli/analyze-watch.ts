import { transportName } from '../privacy/collector/transport-name.ts'
import { counted } from '../privacy/report/report-words.ts'
import { Interrupted } from './signals.ts'
import { ProgressLine } from './progress.ts'
import type { CommandContext } from './command.ts'
import type { MetadataCollector } from '../privacy/collector/metadata-collector.ts'
import type { Connection, IdentifyResult, Libp2p } from '@libp2p/interface'

/** Waits until the time is over, or the user has had enough. Whoever reads the output being gone is an error. */
export async function watch ({ clock, signal, stderr }: Pick<CommandContext, 'clock' | 'signal' | 'stderr'>, collector: MetadataCollector, duration: number): Promise<void> {
  const line = new ProgressLine(stderr, clock)
  const end = clock.now() + duration

  try {
    for (let left = duration; left > 0; left = end - clock.now()) {
      const { openConnections, uniquePeers, totalStreams } = collector.getStatistics()
      line.show(() => `watching, ${Math.ceil(left / 1000)} s left: ${counted(openConnections, 'connection')}, ${counted(uniquePeers, 'peer')}, ${counted(totalStreams, 'stream')}`)
      await clock.sleep(Math.min(left, 1000), { signal })
    }
  } catch (err) {
    if (!(err instanceof Interrupted) || !isSignal(err)) {
      throw err
    }
  } finally {
    line.clear()
  }
}

function isSignal ({ why }: Interrupted): boolean {
  return why === 'SIGINT' || why === 'SIGTERM'
}

/** Peers that have a number: the log is for people, who lose track sooner */
const MAX_NAMED = 10_000

/** Tells what happens as it happens. Peers have numbers in the order in which they come; nothing that they say is printed. */
export function logConnections (libp2p: Pick<Libp2p, 'addEventListener' | 'removeEventListener'>, { clock, stderr }: Pick<CommandContext, 'clock' | 'stderr'>): () => void {
  const began = clock.now()
  const numbers = new Map<string, number>()
  let next = 1
  const peer = (id: { toString (): string }): string => {
    const key = id.toString()
    if (!numbers.has(key)) {
      if (numbers.size >= MAX_NAMED) {
        numbers.delete(numbers.keys().next().value ?? '')
      }
      numbers.set(key, next++)
    }
    return `peer ${numbers.get(key)}`
  }
  const log = (text: string): void => { stderr.write(`${((clock.now() - began) / 1000).toFixed(3)} s  ${text}\n`) }
  const onOpen = ({ detail: { remotePeer, remoteAddr, direction } }: CustomEvent<Connection>): void => { log(`${peer(remotePeer)}: connected, ${direction}, ${transportName(remoteAddr)}`) }
  const onClose = ({ detail: { remotePeer } }: CustomEvent<Connection>): void => { log(`${peer(remotePeer)}: disconnected`) }
  const onIdentify = ({ detail: { peerId, protocols } }: CustomEvent<IdentifyResult>): void => { log(`${peer(peerId)}: identified, ${counted(protocols.length, 'protocol')}`) }

  libp2p.addEventListener('connection:open', onOpen)
  libp2p.addEventListener('connection:close', onClose)
  libp2p.addEventListener('peer:identify', onIdentify)
  return () => {
    libp2p.removeEventListener('connection:open', onOpen)
    libp2p.removeEventListener('connection:close', onClose)
    libp2p.removeEventListener('peer:identify', onIdentify)
  }
}
