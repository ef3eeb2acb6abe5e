import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { Backoff } from '../../../src/exchange/lease/backoff.ts'
import { MAX_DIALS_PER_HOST, dialPeer } from '../../../src/exchange/lease/lease-egress.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { disclosureTo } from './nodes.ts'
import type { CheckedAddress } from '../../../src/exchange/lease/address-guard.ts'
import type { DialContext, Dialled } from '../../../src/exchange/lease/lease-egress.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Connection, PeerId } from '@libp2p/interface'

const [peer, stranger] = await Promise.all([1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')))) as [PeerId, PeerId]

const address = (n: number, relayed = false): CheckedAddress => ({ text: `/ip4/8.8.8.${n}/tcp/4001${relayed ? `/p2p/${stranger.toString()}/p2p-circuit` : ''}`, host: `8.8.8.${n}`, kind: 'tcp', relayed })

interface Step {
  /** Milliseconds until it comes to its end. @default never */
  after?: number
  error?: Error
  by?: PeerId
  limited?: boolean
  /** The handshake began */
  answered?: boolean
  /** Somebody else was dialling already */
  joined?: boolean
  /** The node never says that the peer may be dialled */
  silent?: boolean
}

/** A node whose dials go as they are told to, by the last number of the IP address */
function setup (steps: Record<number, Step>): { clock: VirtualClock, log: string[], closed: string[], backoff: Backoff, context: DialContext, run (addresses: CheckedAddress[], signal?: AbortSignal): Promise<Dialled> } {
  const clock = new VirtualClock()
  const log: string[] = []
  const closed: string[] = []
  const backoff = new Backoff({ clock, random: seededRandom(1) })
  const libp2p: DialContext['libp2p'] = {
    getConnections: () => [],
    dial: async (to, { signal, onProgress } = {}) => {
      const text = String(to)
      const n = Number(/8\.8\.8\.(\d+)/.exec(text)?.[1])
      const { after = Infinity, error, by = peer, limited = false, answered = false, joined = false, silent = false } = steps[n] ?? {}
      log.push(`${clock.now()} ${n}${text.endsWith(`/p2p/${peer.toString()}`) ? ' named' : ''}`)

      if (joined) {
        onProgress?.({ type: 'dial-queue:already-in-dial-queue', detail: undefined } as never)
      } else if (!silent) {
        onProgress?.({ type: 'dial-queue:calculated-addresses', detail: [] } as never)
      }
      if (answered) {
        onProgress?.({ type: 'upgrader:encrypt-outbound-connection', detail: undefined } as never)
      }
      signal?.addEventListener('abort', () => { log.push(`${clock.now()} ${n} aborted`) })
      await clock.sleep(after, { signal })
      if (error != null) {
        throw error
      }
      return { id: `c${n}`, remotePeer: by, limits: limited ? {} : undefined, streams: [], close: async () => { closed.push(`c${n}`) } } as unknown as Connection
    }
  }
  const context: DialContext = { libp2p, clock, backoff, hosts: new Map(), stagger: 250, addressTimeout: 5_000 }
  const run = async (addresses: CheckedAddress[], signal = new AbortController().signal): Promise<Dialled> => clock.run(dialPeer(context, peer, addresses, signal, disclosureTo(peer.toString())))

  return { clock, log, closed, backoff, context, run }
}

async function failure (promise: Promise<unknown>): Promise<FetchError> {
  return promise.then(() => { throw new Error('it should have failed') }, (error: FetchError) => error)
}

const named = (name: string, message = name): Error => Object.assign(new Error(message), { name })

describe('the addresses of a peer', () => {
  it('are tried a quarter of a second apart, and the first that answers is taken; the others are given up', async () => {
    const { run, log, backoff, context } = setup({ 1: {}, 2: { after: 400 }, 3: { after: 1_000 } })

    expect(await run([address(1), address(2), address(3)])).toMatchObject({ connection: { id: 'c2' }, own: true })
    expect(log).toEqual(['0 1 named', '250 2', '500 3', '650 1 aborted', '650 3 aborted'])
    // who was given up is not held to have failed
    expect(backoff.size).toBe(0)
    expect(context.hosts.size).toBe(0)
  })

  it('follow at once when one fails, and the only one under way is told which peer it leads to', async () => {
    const { run, log } = setup({ 1: { after: 10, error: new Error('refused') }, 2: { after: 20, error: new Error('refused') }, 3: { after: 30 } })

    expect((await run([address(1), address(2), address(3)])).connection.id).toBe('c3')
    expect(log).toEqual(['0 1 named', '10 2 named', '30 3 named'])
  })

  it('each have 5 s', async () => {
    const { run, clock } = setup({})
    const error = await failure(run([address(1), address(2)]))

    expect(error).toMatchObject({ name: 'FetchError', outcome: 'unreachable', provider: `p2p:${peer.toString()}` })
    expect(error.message).toMatch(/8\.8\.8\.1.*no connection within 5000 ms.*8\.8\.8\.2.*no connection within 5000 ms/)
    expect(clock.now()).toBe(5_250)
    expect(clock.pending).toBe(0)
  })

  it('wait with the second until the node has said that the peer may be dialled', async () => {
    const { run, log } = setup({ 1: { after: 1_000, silent: true, error: named('DialDeniedError') }, 2: { after: 10 } })

    await run([address(1), address(2)])
    expect(log.filter(line => !line.includes('aborted'))).toEqual(['0 1 named', '1000 2 named'])
  })

  it('through relays wait until no direct one is under way', async () => {
    const { run, log } = setup({ 1: { after: 700, error: new Error('no') }, 2: { after: 900, error: new Error('no') }, 9: { after: 5 } })

    expect((await run([address(1), address(2), address(9, true)])).connection.id).toBe('c9')
    expect(log).toEqual(['0 1 named', '250 2', '1150 9 named'])
  })

  it('at which another peer answers are left, and so is a relay that counts bytes', async () => {
    const { run, closed, backoff, clock } = setup({ 1: { after: 5, by: stranger, answered: true }, 2: { after: 5, limited: true, answered: true } })
    const error = await failure(run([address(1), address(2)]))

    expect(error).toMatchObject({ outcome: 'unreachable', message: expect.stringMatching(/another peer answers there.*limited connection/) as string })
    expect(closed).toEqual(['c1', 'c2'])
    // that peer is not there, which says nothing about the others
    expect([backoff.wait(address(1).text), backoff.wait(`${address(1).text}/p2p/${peer.toString()}`) > 0]).toEqual([0, true])
    expect(clock.pending).toBe(0)
  })

  it('that failed are left alone for a while, then tried by one at a time', async () => {
    const steps: Record<number, Step> = { 1: { after: 5, error: new Error('ECONNREFUSED') } }
    const { run, clock, log, context } = setup(steps)

    await failure(run([address(1)]))
    expect((await failure(run([address(1)]))).message).toMatch(/failed before, left alone for \d+ ms/)
    expect(log).toHaveLength(1)

    await clock.advance(1_000)
    steps[1] = { after: 100 }
    const first = dialPeer(context, peer, [address(1)], new AbortController().signal, disclosureTo(peer.toString()))
    expect((await failure(run([address(1)]))).message).toMatch(/is being tried/)
    expect((await clock.run(first)).connection.id).toBe('c1')
    expect((await run([address(1)])).connection.id).toBe('c1')
  })

  it('are not blamed for what the node itself declines', async () => {
    for (const name of ['DialDeniedError', 'NoValidAddressesError']) {
      const { run, backoff } = setup({ 1: { after: 1, error: named(name) } })
      expect(await failure(run([address(1)]))).toMatchObject({ outcome: 'unreachable' })
      expect(backoff.size).toBe(0)
    }

    const full = setup({ 1: { after: 1, error: named('DialError', 'Dial queue is full') } })
    expect(await failure(full.run([address(1)]))).toMatchObject({ outcome: 'overloaded' })
    expect(full.backoff.size).toBe(0)
  })

  it('are let go of when nobody waits any longer, also a connection that comes too late', async () => {
    const { run, clock, log, closed, backoff } = setup({ 1: { after: 100 } })
    const controller = new AbortController()
    clock.schedule(50, () => { controller.abort(new Error('left')) })

    expect((await failure(run([address(1)], controller.signal))).message).toBe('left')
    expect(log).toEqual(['0 1 named', '50 1 aborted'])
    expect([backoff.size, clock.pending, closed.length]).toEqual([0, 0, 0])
  })

  it('behind one IP address are not all dialled at a time', async () => {
    const { run, context } = setup({ 1: { after: 1 } })
    context.hosts.set('8.8.8.1', MAX_DIALS_PER_HOST)

    expect(await failure(run([address(1)]))).toMatchObject({ outcome: 'overloaded', message: expect.stringContaining('to this host are under way') as string })
  })

  it('whose dial somebody else began stay theirs', async () => {
    const { run } = setup({ 1: { after: 5, joined: true } })

    expect(await run([address(1)])).toMatchObject({ own: false })
  })

  it('are not dialled by a right to tell somebody else', async () => {
    const { context, clock, log } = setup({ 1: { after: 1 } })
    const error = await failure(clock.run(dialPeer(context, peer, [address(1)], new AbortController().signal, disclosureTo(stranger.toString()))))

    expect(error.message).toMatch(/is no right to dial/)
    expect(log).toEqual([])
  })
})
