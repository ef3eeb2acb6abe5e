import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { raceSignal } from '../clock/race-signal.ts'
import { foreignTransport } from '../exchange/lease/dial-address.ts'
import { ListenError } from '../gateway/http-error.ts'
import { COMMON_AGENT } from '../interface/privacy-preset.ts'
import { quote, reason } from '../interface/quote.ts'
import { toListenProblem } from '../listen-problem.ts'
import { collectorMetrics } from '../privacy/collector/collector-metrics.ts'
import { CONNECT_TIMEOUT } from './analyze-connect-egress.ts'
import { UsageError } from './exit-code.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger, Libp2p } from '@libp2p/interface'

/** A machine binds a port in a millisecond; what is not bound then hangs */
export const LISTEN_TIMEOUT = 5_000
/** Closing takes milliseconds; a peer that does not answer must not keep a user from the report */
const STOP_TIMEOUT = 2_000
/** As a node that serves: an office or a cluster behind one address connects at once, and is counted whole */
const INBOUND_PER_HOST = 50
const INBOUND_PENDING = 128

export interface AnalyzeNodeInit {
  readonly listen: readonly string[]
  readonly clock: Clock
  readonly logger: ComponentLogger
  readonly signal: AbortSignal
}

/**
 * A libp2p node that does nothing: it is told of nobody, looks for nobody, and
 * pings nobody, so that what is seen on its connections is what its peers do.
 */
export async function startAnalyzeNode ({ listen, clock, logger, signal }: AnalyzeNodeInit): Promise<Libp2p> {
  listen.forEach(checkListen)
  const libp2p = await createLibp2p({
    start: false,
    addresses: { listen: [...listen] },
    nodeInfo: { userAgent: COMMON_AGENT },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    // whoever dials says for how long: libp2p's own 6 s for one address would come first
    connectionManager: { inboundConnectionThreshold: INBOUND_PER_HOST, maxIncomingPendingConnections: INBOUND_PENDING, dialTimeout: 2 * CONNECT_TIMEOUT, addressDialTimeout: 2 * CONNECT_TIMEOUT },
    metrics: collectorMetrics(),
    services: { identify: identify() },
    logger
  })
  signal.throwIfAborted()
  using timeout = clock.timeout(LISTEN_TIMEOUT)
  const starting = Promise.resolve(libp2p.start())

  try {
    await raceSignal(starting, AbortSignal.any([signal, timeout.signal]))
    return libp2p
  } catch (err) {
    await stopAnalyzeNode(libp2p, clock, starting)
    signal.throwIfAborted()
    throw timeout.signal.aborted
      ? new ListenError(`nothing listens on ${listen.map(address => quote(address)).join(', ')} after ${LISTEN_TIMEOUT / 1000} s; choose another with --listen-addr MULTIADDR`, { cause: err })
      : toListenProblem(err, listen, '--listen-addr')
  }
}

/**
 * Ends it, and waits no longer than a moment for that.
 *
 * @param starting - a node that still starts is not stopped by being told to
 */
export async function stopAnalyzeNode (libp2p: Libp2p, clock: Clock, starting?: Promise<void>): Promise<void> {
  using timeout = clock.timeout(STOP_TIMEOUT)
  const stop = async (): Promise<void> => { await libp2p.stop() }
  await raceSignal(starting == null ? stop() : starting.then(stop, stop), timeout.signal).catch((err: unknown) => {
    libp2p.logger.forComponent('portolan:analyze').error('the node did not stop - %e', err)
  })
}

function checkListen (text: string): void {
  let why: string | undefined
  try {
    const components = multiaddr(text).getComponents()
    why = foreignTransport(components) ?? (components.some(({ name }) => name === 'tcp') ? undefined : 'it has no TCP port')
  } catch (err) {
    why = reason(err)
  }
  if (why != null) {
    throw new UsageError(`--listen-addr must be an address like /ip4/127.0.0.1/tcp/4480, got ${quote(text)}: ${why}`)
  }
}
