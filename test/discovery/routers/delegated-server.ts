import { createServer } from 'node:http'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { blockKey } from '../../../src/block/key.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { delegatedRouter } from '../../../src/discovery/routers/delegated-router.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { RoutingRequest } from '../../../src/routing/request.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { DelegatedRouter, DelegatedRouterInit } from '../../../src/discovery/routers/delegated-router.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { DisclosureEntry, PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { BlockKey } from '../../../src/interface/provider.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export const NDJSON = 'application/x-ndjson'
export const peers = await Promise.all(Array.from({ length: 8 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))

/** The nth peer */
export const peer = (n: number): string => peers[n % peers.length] ?? ''

export const record = (n: number, changes: object = {}): object => ({ Schema: 'peer', ID: peer(n), Addrs: [`/ip4/198.51.100.${n}/tcp/4001`], Protocols: ['transport-bitswap'], ...changes })

export const lines = (...records: unknown[]): string => records.map(one => `${typeof one === 'string' ? one : JSON.stringify(one)}\n`).join('')

export async function wantOf (text: string): Promise<{ cid: CID, key: BlockKey }> {
  const cid = CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(text)))
  return { cid, key: blockKey(cid) }
}

/** Time that stands still until it is put forward, however slow the machine is; timers are the machine's */
function standing (): Clock & { skip (ms: number): void } {
  const wall = systemClock.wall()
  let now = 0
  return {
    ...systemClock,
    now: () => now,
    wall: () => wall + now,
    skip: ms => { now += ms }
  }
}

export interface Loopback extends AsyncDisposable {
  readonly url: string
  readonly router: DelegatedRouter
  readonly clock: Clock & { skip (ms: number): void }
  /** What came in, oldest first */
  readonly requests: ReadonlyArray<{ readonly url: string, readonly headers: IncomingMessage['headers'] }>
  readonly entries: DisclosureEntry[]
  answer: Handler
  request (init?: { mode?: PrivacyMode, signal?: AbortSignal, client?: string, deadline?: number }): RoutingRequest
}

export interface LoopbackInit extends Partial<DelegatedRouterInit> {
  readonly time?: Clock
  readonly allow?: readonly string[]
  readonly path?: string
}

/** A router on 127.0.0.1 that answers as it is told, and a client of it over the real transport */
export async function loopback (answer: Handler | string, { time, allow = ['127.0.0.1'], path = '', ...init }: LoopbackInit = {}): Promise<Loopback> {
  const requests: Array<{ url: string, headers: IncomingMessage['headers'] }> = []
  const entries: DisclosureEntry[] = []
  const clock = standing()
  const policy = addressPolicy({ allow })
  const server = createServer((req, res) => {
    requests.push({ url: req.url ?? '', headers: req.headers })
    self.answer(req, res)
  })

  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  const transport = undiciTransport({ policy })
  let count = 0

  const self: Loopback = {
    url,
    clock,
    requests,
    entries,
    router: delegatedRouter({ url, ...init })({ transport, clock: time ?? clock, logger: silentLogger, policy, random: { next: () => 0 } }),
    answer: typeof answer === 'string' ? (_, res) => { res.setHeader('content-type', NDJSON).end(answer) } : answer,
    request: ({ mode = 'open', signal = new AbortController().signal, client, deadline = Infinity } = {}) => new RoutingRequest({ clock, ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } }, {
      id: `r${++count}`,
      purpose: 'read',
      mode,
      signal,
      client,
      deadline: () => deadline,
      priority: () => 0
    }),
    async [Symbol.asyncDispose] () {
      await transport.close()
      await new Promise<void>(resolve => {
        server.close(() => { resolve() })
        server.closeAllConnections()
      })
    }
  }
  return self
}
