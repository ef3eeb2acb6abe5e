import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { defaultLogger } from 'birnam'
import { afterEach, describe, expect, it } from 'vitest'
import { connectAll, withoutPeer } from '../../src/cli/analyze-connect-egress.ts'
import { LISTEN_TIMEOUT, startAnalyzeNode } from '../../src/cli/analyze-node.ts'
import { watch } from '../../src/cli/analyze-watch.ts'
import { Interrupted } from '../../src/cli/signals.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { nullLedger } from '../../src/privacy/null-ledger.ts'
import { MetadataCollector } from '../../src/privacy/collector/metadata-collector.ts'
import { DisclosureLedger } from '../../src/privacy/ledger/disclosure-ledger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Server } from 'node:net'

const stderr = { isTTY: false } as NodeJS.WriteStream
const never = new AbortController().signal
const undo: Array<() => Promise<void>> = []
afterEach(async () => { await Promise.all(undo.splice(0).map(async stop => stop())) })

describe('portolan analyze', () => {
  it('does not wait for more than 5 s to listen', async () => {
    const hanging: Clock = { ...systemClock, timeout: ms => ms === LISTEN_TIMEOUT ? { signal: AbortSignal.abort(new DOMException('late', 'TimeoutError')), [Symbol.dispose]: () => {} } : systemClock.timeout(ms) }
    expect(LISTEN_TIMEOUT).toBe(5000)
    await expect(startAnalyzeNode({ listen: ['/ip4/127.0.0.1/tcp/0'], clock: hanging, logger: defaultLogger(), signal: never }))
      .rejects.toMatchObject({ name: 'ListenError', message: 'nothing listens on "/ip4/127.0.0.1/tcp/0" after 5 s; choose another with --listen-addr MULTIADDR' })
  })

  it.each(['late', 'interrupted'])('listens nowhere after it was given up while it started: %s', async how => {
    const servers: Server[] = []
    let listens: () => void
    const listened = new Promise<void>(resolve => { listens = resolve })
    const listening = (message: unknown): void => {
      servers.push((message as { server: Server }).server)
      listens()
    }
    subscribe('tracing:net.server.listen:asyncEnd', listening)
    undo.push(async () => { unsubscribe('tracing:net.server.listen:asyncEnd', listening) })

    const stop = new AbortController()
    const clock: Clock = {
      ...systemClock,
      timeout: ms => {
        if (ms !== LISTEN_TIMEOUT) {
          return systemClock.timeout(ms)
        }
        stop.abort(new Interrupted('SIGINT'))
        return { signal: how === 'late' ? stop.signal : never, [Symbol.dispose]: () => {} }
      }
    }
    await expect(startAnalyzeNode({ listen: ['/ip4/127.0.0.1/tcp/0'], clock, logger: defaultLogger(), signal: how === 'late' ? never : stop.signal }))
      .rejects.toMatchObject({ name: how === 'late' ? 'ListenError' : 'Interrupted' })
    await listened
    expect(servers.map(server => server.listening)).toEqual([false])
  })

  it('starts nothing when it was interrupted before', async () => {
    await expect(startAnalyzeNode({ listen: ['/ip4/127.0.0.1/tcp/0'], clock: systemClock, logger: defaultLogger(), signal: AbortSignal.abort(new Interrupted('SIGINT')) }))
      .rejects.toMatchObject({ name: 'Interrupted' })
  })

  it('gives up on a dial after 10 s, and waits for all that answer', async () => {
    const clock = new VirtualClock()
    const dialled: string[] = []
    const libp2p = {
      async dial (address: unknown, { signal }: { signal: AbortSignal }) {
        dialled.push(String(address))
        if (dialled.length === 1) {
          await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
        }
      }
    } as unknown as Pick<Libp2p, 'dial'>
    const connecting = connectAll(libp2p, ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'], { clock, signal: never, ledger: nullLedger })
    await clock.advance(9_999)
    let done = false
    void connecting.finally(() => { done = true })
    await clock.advance(0)
    expect([done, dialled]).toEqual([false, ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2']])
    await clock.advance(1)
    expect(await connecting).toEqual({ connected: 1, failures: [{ address: '/ip4/127.0.0.1/tcp/1', why: 'no answer within 10 s' }] })
  })

  it('writes down whom it tells that it is there, and what came of it', async () => {
    const ledger = new DisclosureLedger()
    const peer = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
    const failures: Record<string, Error> = {
      '/ip4/127.0.0.1/tcp/2': new AggregateError([Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })], 'all failed'),
      '/ip4/127.0.0.1/tcp/3': new Error('the connection broke'),
      // two addresses of one name, of which the second had somebody
      '/dnsaddr/example.org': new AggregateError([Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), new Error('the handshake broke')], 'all failed')
    }
    const libp2p = {
      async dial (address: unknown) {
        const failure = failures[String(address)]
        if (failure != null) {
          throw failure
        }
      }
    } as unknown as Pick<Libp2p, 'dial'>
    await connectAll(libp2p, [`/dns4/localhost/tcp/1/p2p/${peer}`, '/ip4/127.0.0.1/tcp/2', '/ip4/127.0.0.1/tcp/3', '/dnsaddr/example.org'], { clock: new VirtualClock(), signal: never, ledger })

    expect(ledger.entries().map(({ observer, form, transport, state }) => [observer, form, transport, state])).toEqual([
      [`p2p:${peer}`, 'none', 'dial', 'sent'],
      ['party:dns', 'hostname', 'dns', 'sent'],
      ['party:127.0.0.1:2', 'none', 'dial', 'not-sent'],
      ['party:127.0.0.1:3', 'none', 'dial', 'unknown'],
      ['party:example.org:0', 'none', 'dial', 'unknown'],
      ['party:dns', 'hostname', 'dns', 'unknown']
    ])
  })

  it('names no peer that it could not reach, whatever the error says', async () => {
    const peer = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
    const libp2p = { dial: async () => { throw new Error(`no way to ${peer} at /ip4/192.0.2.1/tcp/9\u001b[2J`) } } as unknown as Pick<Libp2p, 'dial'>
    const { failures } = await connectAll(libp2p, [`/ip4/127.0.0.1/tcp/1/p2p/${peer}`], { clock: new VirtualClock(), signal: never, ledger: nullLedger })
    expect(failures).toEqual([{ address: '/ip4/127.0.0.1/tcp/1', why: expect.stringMatching(/^no way to peer-1 at address-1/) as string }])
    expect(JSON.stringify(failures)).not.toContain(peer)
    expect(withoutPeer('/dns4/example.org/tcp/1')).toBe('/dns4/example.org/tcp/1')
    expect(withoutPeer(`/dns4/example.org/tcp/1/ipfs/${peer}`)).toBe('/dns4/example.org/tcp/1')
    expect(withoutPeer(`/dns4/example.org/tcp/1/p2p/${peer}/`)).toBe('/dns4/example.org/tcp/1')
  })

  it('watches for as long as it was told, and no longer than somebody reads it', async () => {
    const node = await startAnalyzeNode({ listen: ['/ip4/127.0.0.1/tcp/0'], clock: systemClock, logger: defaultLogger(), signal: never })
    undo.push(async () => { await node.stop() })
    const clock = new VirtualClock()
    const collector = new MetadataCollector(node)
    undo.push(async () => { collector.detach() })
    let done = false
    const watching = watch({ clock, signal: never, stderr }, collector, 5_500).then(() => { done = true })

    await clock.advance(5_499)
    expect(done).toBe(false)
    await clock.advance(1)
    await watching

    const interrupt = new AbortController()
    const interrupted = watch({ clock, signal: interrupt.signal, stderr }, collector, 5_500)
    interrupt.abort(new Interrupted('SIGINT'))
    await interrupted

    const gone = new AbortController()
    const closed = watch({ clock, signal: gone.signal, stderr }, collector, 5_500)
    gone.abort(new Interrupted('closed'))
    await expect(closed).rejects.toMatchObject({ why: 'closed' })
  })
})
