import { createServer } from 'node:http'
import { CID } from 'multiformats/cid'
import { blockKey } from '../block/key.ts'
import { seededRandom } from '../clock/random.ts'
import { systemClock } from '../clock/system-clock.ts'
import { carParts, carQuery } from './car-sections.ts'
import { answerFor, firstByteDelay, loopbackBehaviour, strikes } from './loopback-behaviour.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { LoopbackAnswer, LoopbackBehaviour, LoopbackFault } from './loopback-behaviour.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where a loopback provider finds its blocks: a map by `blockKey`, or anything like a blockstore */
export type BlockSource = ReadonlyMap<BlockKey, Uint8Array> | {
  has (cid: CID): boolean | Promise<boolean>
  get (cid: CID): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface LoopbackProviderInit {
  blocks: BlockSource
  /** @default 'good' */
  behaviour?: LoopbackFault | LoopbackBehaviour
  /** Also serve whole DAGs, `?format=car`; `stalling`, `truncated` and `garbage` then come after the tenth block. @default false */
  cars?: boolean
  /** Decides which CIDs a `share` strikes, the noise and the drawn delays. @default 1 */
  seed?: number
  /** @default the machine's clock */
  clock?: Clock
}

/** One request that a loopback provider saw. The entry is live: it changes until the exchange is over. */
export interface LoopbackRequest {
  readonly method: string
  /** Undefined when the path held none */
  readonly cid?: CID
  /** When it came, on the provider's clock */
  readonly at: number
  /** HTTP status sent, 0 while or when none was */
  readonly status: number
  /** `pending` until the exchange is over; then what the provider did, whatever the client made of it */
  readonly outcome: 'pending' | 'served' | 'missing' | 'bad-request' | 'faulty'
  /** Body bytes given to the socket */
  readonly bytes: number
  /** A whole DAG was asked for and sent, as far as `bytes` says */
  readonly car?: boolean
  /** The client closed the connection before the provider was done */
  readonly aborted: boolean
}

export interface LoopbackProvider {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly behaviour: LoopbackBehaviour
  /** What was asked, oldest first, at most `MAX_LOGGED_REQUESTS` */
  readonly requests: readonly LoopbackRequest[]
  /** Behave otherwise from the next request on */
  set (behaviour: LoopbackFault | LoopbackBehaviour): void
  /** Forget the requests seen so far */
  clear (): void
  /** Stop listening and break every connection */
  close (): Promise<void>
}

/** A bench of a minute at 1 000 requests per second fits; a forgotten server does not eat the heap */
export const MAX_LOGGED_REQUESTS = 65_536

// thin answers are written in slices of this many ms: short enough that a client's stall timer never notices
const SLICE = 20

type Entry = { -readonly [K in keyof LoopbackRequest]: LoopbackRequest[K] }

/**
 * A real trustless gateway on 127.0.0.1, on a port of its own, that behaves as
 * told: `GET /ipfs/CID?format=raw`. For tests, benches and demonstrations of how
 * a reader copes.
 *
 * @example
 *
 * ```ts
 * const provider = await loopbackProvider({ blocks, behaviour: { kind: 'silent', share: 0.5 } })
 * const res = await fetch(`${provider.url}/ipfs/${cid}?format=raw`)
 * await provider.close()
 * ```
 */
export async function loopbackProvider (init: LoopbackProviderInit): Promise<LoopbackProvider> {
  const clock = init.clock ?? systemClock
  const seed = init.seed ?? 1
  const random = seededRandom(seed)
  const startedAt = clock.now()
  const requests: LoopbackRequest[] = []
  const timers = new Set<() => void>()
  let behaviour = loopbackBehaviour(init.behaviour ?? 'good')

  const server = createServer((req, res) => {
    handle(req, res).catch((err: unknown) => {
      // a block source that throws is a broken provider: say so on the wire
      res.destroy(err instanceof Error ? err : new Error(String(err)))
    })
  })
  // an idle connection that the server closes just as the client reuses it would look like a fault of the provider
  server.keepAliveTimeout = 0

  async function handle (req: IncomingMessage, res: ServerResponse): Promise<void> {
    const cid = requestedCID(req.url ?? '/')
    const entry: Entry = { method: req.method ?? 'GET', cid, at: clock.now(), status: 0, outcome: 'pending', bytes: 0, aborted: false }
    requests.push(entry)
    if (requests.length > MAX_LOGGED_REQUESTS) {
      requests.shift()
    }

    const current = behaviour
    let over = false
    res.on('close', () => {
      over = true
      entry.aborted = entry.outcome === 'pending'
      entry.outcome = entry.outcome === 'pending' ? 'faulty' : entry.outcome
    })

    if (cid == null) {
      entry.status = 400
      entry.outcome = 'bad-request'
      res.writeHead(400, { 'content-type': 'text/plain' }).end('not a path of the form /ipfs/CID\n')
      return
    }

    const key = blockKey(cid)
    const bytes = await read(init.blocks, cid, key)
    const struck = strikes(current, key, seed)
    const answer = answerFor(current, bytes, { struck, elapsed: clock.now() - startedAt, random })
    const faithful = !struck || current.kind === 'good' || current.kind === 'slow' || current.kind === 'partial' || current.kind === 'flapping'
    const finish = (): void => {
      entry.outcome = !faithful || answer.wire !== 'answer' ? 'faulty' : entry.status === 404 ? 'missing' : 'served'
    }

    const delay = firstByteDelay(current, random)
    if (delay > 0) {
      await wait(delay, res)
    }
    if (over || answer.wire === 'nothing') {
      return
    }
    if (answer.wire === 'reset') {
      finish()
      res.destroy()
      return
    }
    const query = init.cars === true ? carQuery(req.url ?? '/') : undefined
    if (query != null && answer.status === 200) {
      entry.status = 200
      entry.car = true
      res.writeHead(200, { 'content-type': 'application/vnd.ipld.car; version=1; order=dfs; dups=n' })
      await sendCar(carParts(cid, async cid => read(init.blocks, cid, blockKey(cid)), query), struck ? current : { ...current, kind: 'good' }, res, entry, finish)
      return
    }
    await send(answer, current, req, res, entry, finish)
  }

  async function send (answer: LoopbackAnswer & { wire: 'answer' }, current: LoopbackBehaviour, req: IncomingMessage, res: ServerResponse, entry: Entry, finish: () => void): Promise<void> {
    entry.status = answer.status
    res.writeHead(answer.status, {
      ...answer.headers,
      ...(answer.length == null ? {} : { 'content-length': answer.length }),
      ...(answer.status === 200 ? { 'cache-control': 'public, max-age=29030400, immutable', 'x-content-type-options': 'nosniff' } : {})
    })
    if (req.method === 'HEAD') {
      finish()
      res.end()
      return
    }

    const rate = current.bytesPerSecond ?? Infinity
    const slice = rate === Infinity ? Infinity : Math.max(1, Math.round(rate * SLICE / 1000))
    do {
      for (let at = 0; at < answer.body.byteLength && !res.destroyed; at += slice) {
        const chunk = answer.body.subarray(at, Math.min(answer.body.byteLength, at + slice))
        entry.bytes += chunk.byteLength
        const flushed = res.write(chunk)
        if (slice !== Infinity) {
          await wait(SLICE, res)
        } else if (!flushed) {
          await drained(res)
        }
      }
    } while (answer.then === 'repeat' && !res.destroyed)

    if (res.destroyed || answer.then === 'hang') {
      return
    }
    finish()
    if (answer.then === 'reset') {
      // let what was written leave first: a reset in the same tick would swallow it
      res.socket?.end()
      return
    }
    res.end()
  }

  async function sendCar (sections: AsyncIterable<[head: Uint8Array, bytes: Uint8Array]>, { kind, bytesPerSecond = Infinity }: LoopbackBehaviour, res: ServerResponse, entry: Entry, finish: () => void): Promise<void> {
    let count = 0
    for await (const [head, bytes] of sections) {
      if (res.destroyed) {
        return
      }
      // the header, and ten blocks
      if (++count > 11 && kind === 'stalling') {
        return
      }
      if (count > 11 && kind === 'truncated') {
        finish()
        res.destroy()
        return
      }
      const length = head.byteLength + bytes.byteLength
      entry.bytes += length
      // in one tick: they leave together
      res.write(head)
      const flushed = res.write(count > 11 && kind === 'garbage' ? spoilt(bytes) : bytes)
      if (bytesPerSecond !== Infinity) {
        await wait(1000 * length / bytesPerSecond, res)
      } else if (!flushed) {
        await drained(res)
      }
    }
    finish()
    res.end()
  }

  /** Resolves after `ms`, or at once when the exchange is over */
  async function wait (ms: number, res: ServerResponse): Promise<void> {
    if (res.destroyed) {
      return
    }
    await new Promise<void>(resolve => {
      const done = (): void => {
        cancel()
        timers.delete(done)
        res.removeListener('close', done)
        resolve()
      }
      const cancel = clock.schedule(ms, done)
      timers.add(done)
      res.once('close', done)
    })
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get behaviour () {
      return behaviour
    },
    set (next) {
      behaviour = loopbackBehaviour(next)
    },
    clear () {
      requests.length = 0
    },
    async close () {
      if (!server.listening) {
        return
      }
      await new Promise<void>(resolve => {
        server.close(() => { resolve() })
        server.closeAllConnections()
        for (const done of timers) {
          done()
        }
      })
    }
  }
}

function spoilt (bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[copy.byteLength - 1] = ~(copy.at(-1) ?? 0)
  return copy
}

function requestedCID (url: string): CID | undefined {
  const [, namespace, text] = (url.split('?')[0] ?? '').split('/')
  if (namespace !== 'ipfs' || text == null) {
    return undefined
  }
  try {
    return CID.parse(text)
  } catch {
    // answered with 400: the caller shows up in `requests` without a CID
    return undefined
  }
}

async function read (blocks: BlockSource, cid: CID, key: BlockKey): Promise<Uint8Array | undefined> {
  if (blocks instanceof Map) {
    return (blocks as ReadonlyMap<BlockKey, Uint8Array>).get(key)
  }
  const store = blocks as Exclude<BlockSource, ReadonlyMap<BlockKey, Uint8Array>>
  if (!await store.has(cid)) {
    return undefined
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(cid)) {
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0] : new Uint8Array(Buffer.concat(chunks))
}

async function drained (res: ServerResponse): Promise<void> {
  await new Promise<void>(resolve => {
    const done = (): void => {
      res.removeListener('drain', done)
      res.removeListener('close', done)
      resolve()
    }
    res.on('drain', done)
    res.on('close', done)
  })
}
