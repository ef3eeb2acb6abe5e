import { blockKey } from '../block/key.ts'
import { normal } from '../clock/random.ts'
import { FetchError } from '../interface/errors.ts'
import { dagBlocks } from './car-sections.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Block, DagWant } from '../interface/fetcher.ts'
import type { BlockKey, Provider, ProviderId, Route } from '../interface/provider.ts'
import type { Attempt, Want } from '../interface/request.ts'

/** How a simulated provider behaves. Everything can be changed while it runs. */
export interface Behaviour {
  /** Median milliseconds to the first byte. @default 50 */
  latency?: number
  /** Log-scale spread of the latency. @default 0 */
  sigma?: number
  /** Latency is multiplied by this while true, e.g. after a flip. @default 1 */
  factor?: number
  /** Bytes per millisecond after the first byte. @default Infinity */
  throughput?: number
  /** Bytes per millisecond over all answers together: its line, which they take turns on. @default Infinity */
  line?: number
  /** Share of requests that take ten times as long. @default 0 */
  stragglers?: number
  /** Share of requests that are never answered. @default 0 */
  blackHoles?: number
  /** Never answers at all. @default false */
  silent?: boolean
  /** Milliseconds to connect, on the first request and after a silence of 30 s. @default 0 */
  connect?: number
  /** Answers with bytes that do not match. @default false */
  garbage?: boolean
  /** Answers with no bytes at all. @default false */
  empty?: boolean
  /** Share of the blocks it has, by their hash. @default 1 */
  has?: number
  /** Refuses connections. @default false */
  down?: boolean
  /** Refuses connections for `down` ms after every `up` ms, from when it was added. @default never */
  flaps?: { readonly up: number, readonly down: number }
  /** Requests per second it takes, as many at once; more are answered 429. @default Infinity */
  rateLimit?: number
  /** Sends this share of the body and then nothing. @default 1 */
  stallsAfter?: number
  /** Answers 403. @default false */
  refuses?: boolean
  /** Sends files as streams. @default false */
  streams?: boolean
  /** Sends so many blocks of a stream and then nothing. @default Infinity */
  streamStallsAfter?: number
}

export interface SimulatedRequest {
  readonly at: number
  readonly key: BlockKey
  readonly purpose: string
  outcome: string
  bytes: number
}

export interface SimulatedComponents {
  readonly clock: Clock
  readonly random: Random
  /** The bytes of a block, for providers that have it */
  readonly content: (key: BlockKey) => Uint8Array | undefined
}

/** Requests remembered per provider: enough for a test, bounded for a long run */
const KEPT_REQUESTS = 10_000

/** Who comes back to the millisecond when told is not turned away for the last digit */
const ROUNDING = 1e-6

/** One provider in a simulated network: as fast, slow or dishonest as told */
export class SimulatedProvider {
  readonly name: string
  readonly components: SimulatedComponents
  behaviour: Behaviour
  /** The last requests, oldest first */
  readonly requests: SimulatedRequest[] = []
  requestCount = 0
  bytesSent = 0
  #connectedUntil = -Infinity
  /** When its line is through with what it was given */
  #lineFreeAt = 0
  readonly #addedAt: number
  /** Requests it would take at once; nothing until the rate is limited */
  #tokens: number | undefined
  #tokensAt = 0
  readonly #domains: readonly string[]

  constructor (name: string, behaviour: Behaviour, components: SimulatedComponents, domains: readonly string[] = []) {
    this.name = name
    this.behaviour = behaviour
    this.components = components
    this.#domains = domains
    this.#addedAt = components.clock.now()
  }

  get id (): ProviderId {
    return `http:${this.name}.example`
  }

  get provider (): Provider {
    return {
      id: this.id,
      addresses: [`http://${this.name}.example`],
      protocols: ['transport-ipfs-gateway-http'],
      source: 'simulated',
      fallback: false,
      domains: this.#domains
    }
  }

  get route (): Route {
    return { provider: this.id, transport: 'http', address: `http://${this.name}.example` }
  }

  /** Whether it takes connections right now */
  get reachable (): boolean {
    const { down = false, flaps } = this.behaviour

    if (down || flaps == null) {
      return !down
    }

    return (this.components.clock.now() - this.#addedAt) % (flaps.up + flaps.down) < flaps.up
  }

  /** Whether this provider's share of the blocks includes this one: decided by the key, the same every time */
  hasBlock (key: BlockKey): boolean {
    const share = this.behaviour.has ?? 1
    return share >= 1 || hashShare(`${this.name} ${key}`) < share
  }

  /** Milliseconds to the next first byte; Infinity when it will not come */
  drawLatency (): number {
    const { random } = this.components
    const { latency = 50, sigma = 0, factor = 1, stragglers = 0, blackHoles = 0, silent = false } = this.behaviour
    const usual = latency * factor * Math.exp(sigma * (sigma === 0 ? 0 : normal(random)))

    if (silent || (blackHoles > 0 && random.next() < blackHoles)) {
      return Infinity
    }

    return stragglers > 0 && random.next() < stragglers ? usual * 10 : usual
  }

  async serve (want: Want, attempt: Attempt): Promise<Uint8Array> {
    const { clock, content } = this.components
    const { signal } = attempt
    const request: SimulatedRequest = { at: clock.now(), key: blockKey(want.cid), purpose: attempt.request.purpose, outcome: 'pending', bytes: 0 }
    this.requestCount++
    this.requests.push(request)

    if (this.requests.length > KEPT_REQUESTS) {
      this.requests.shift()
    }

    try {
      signal.throwIfAborted()
      const bytes = await this.#answer(attempt, request, content)
      request.outcome = 'answered'
      return bytes
    } catch (err) {
      request.outcome = signal.aborted ? 'aborted' : (err as FetchError).outcome ?? 'error'
      throw err
    }
  }

  /** A file, or a part of it, depth first */
  async * stream (dag: DagWant, attempt: Attempt): AsyncGenerator<Block> {
    const { clock, content } = this.components
    const { streamStallsAfter = Infinity, throughput = Infinity } = this.behaviour
    const request: SimulatedRequest = { at: clock.now(), key: dag.key, purpose: 'stream', outcome: 'pending', bytes: 0 }

    this.requestCount++
    this.requests.push(request)

    try {
      await this.#begin(attempt)
      attempt.phase('first-byte')
      let count = 0

      for await (const block of dagBlocks(dag.cid, async cid => content(blockKey(cid)), { scope: dag.scope, from: dag.from ?? 0, to: dag.to ?? Infinity })) {
        if (count++ >= streamStallsAfter) {
          await aborted(attempt.signal)
        }
        await this.#transfer(block.bytes.byteLength, throughput, attempt, request)
        yield block
      }
      request.outcome = 'answered'
    } finally {
      request.outcome = request.outcome === 'pending' ? 'aborted' : request.outcome
    }
  }

  /** Until the first byte is due */
  async #begin (attempt: Attempt): Promise<void> {
    const { clock } = this.components
    const { signal } = attempt
    const { connect = 0 } = this.behaviour

    if (!this.reachable) {
      await clock.sleep(1, { signal })
      throw new FetchError('unreachable', `${this.id}: connection refused`, { provider: this.id })
    }

    if (connect > 0 && clock.now() > this.#connectedUntil) {
      await clock.sleep(connect, { signal })
    }

    this.#connectedUntil = clock.now() + 30_000
    attempt.phase('connected')
    const latency = this.drawLatency()

    if (!Number.isFinite(latency)) {
      await aborted(signal)
    }

    await clock.sleep(latency, { signal })
    this.#refuse()
  }

  async #answer (attempt: Attempt, request: SimulatedRequest, content: SimulatedComponents['content']): Promise<Uint8Array> {
    const { signal } = attempt
    const { throughput = Infinity, stallsAfter = 1 } = this.behaviour
    await this.#begin(attempt)
    const right = this.hasBlock(request.key) ? content(request.key) : undefined

    if (right == null) {
      throw new FetchError('not-here', `${this.id}: 404 Not Found`, { provider: this.id })
    }

    const bytes = this.behaviour.empty === true ? new Uint8Array(0) : this.behaviour.garbage === true ? spoiled(right) : right
    attempt.phase('first-byte')
    const sent = Math.floor(bytes.byteLength * Math.max(0, Math.min(1, stallsAfter)))
    await this.#transfer(sent, throughput, attempt, request)

    if (sent < bytes.byteLength) {
      await aborted(signal)
    }

    return bytes
  }

  /** In up to eight pieces, so that a transfer can stall or be cancelled in the middle */
  async #transfer (bytes: number, throughput: number, attempt: Attempt, request: SimulatedRequest): Promise<void> {
    const { line = Infinity } = this.behaviour
    const { clock } = this.components
    const pieces = throughput === Infinity && line === Infinity ? 1 : Math.min(8, Math.max(1, Math.ceil(bytes / 16_384)))

    if (throughput <= 0 || line <= 0) {
      await aborted(attempt.signal)
    }

    for (let i = 0; i < pieces; i++) {
      const piece = Math.floor(bytes * (i + 1) / pieces) - Math.floor(bytes * i / pieces)

      if (throughput !== Infinity) {
        await clock.sleep(piece / throughput, { signal: attempt.signal })
      }

      if (line !== Infinity) {
        this.#lineFreeAt = Math.max(this.#lineFreeAt, clock.now()) + piece / line
        await clock.sleep(this.#lineFreeAt - clock.now(), { signal: attempt.signal })
      }

      this.bytesSent += piece
      request.bytes += piece
      attempt.bytes(piece)
    }
  }

  #refuse (): void {
    if (this.behaviour.refuses === true) {
      throw new FetchError('refused', `${this.id}: 403 Forbidden`, { provider: this.id })
    }

    const { rateLimit } = this.behaviour

    if (rateLimit == null) {
      this.#tokens = undefined
      return
    }

    const now = this.components.clock.now()
    const before = this.#tokens ?? rateLimit
    const filled = this.#tokens == null ? 0 : (now - this.#tokensAt) / 1000 * rateLimit
    // below one per second, one request is saved up for
    this.#tokens = Math.min(Math.max(1, rateLimit), before + filled)
    this.#tokensAt = now

    if (this.#tokens < 1 - ROUNDING) {
      const retryAfter = (1 - this.#tokens) * 1000 / rateLimit
      throw new FetchError('overloaded', `${this.id}: 429 Too Many Requests`, { provider: this.id, retryAfter })
    }

    this.#tokens = Math.max(0, this.#tokens - 1)
  }
}

async function aborted (signal: AbortSignal): Promise<never> {
  signal.throwIfAborted()
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => { reject(signal.reason as Error) }, { once: true })
  })
}

function spoiled (bytes: Uint8Array): Uint8Array {
  const wrong = bytes.slice()
  wrong[0] = (wrong[0] ?? 0) ^ 0xff
  return wrong.byteLength === 0 ? new Uint8Array([1]) : wrong
}

/** FNV-1a, as a share of its range */
function hashShare (text: string): number {
  let hash = 0x811c9dc5

  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }

  return ((hash ^ (hash >>> 15)) >>> 0) / 4294967296
}
