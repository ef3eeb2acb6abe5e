import { describe, expect, it } from 'vitest'
import { Exchange } from '../../../src/exchange/http/undici-exchange-egress.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { attempt } from './attempt.ts'
import type { Recorded } from './attempt.ts'
import type { Ending } from '../../../src/exchange/http/undici-exchange-egress.ts'
import type { Dispatcher } from 'undici'

const MIB = 1_048_576

function exchangeFor (seen: Recorded): Exchange {
  const exchange = new Exchange(
    { url: new URL('http://gateway.example'), headers: {}, signal: seen.signal, onConnected: () => {} },
    seen.request.disclose({ observer: 'http:gateway.example', form: 'cid', transport: 'http', audience: 'one' }),
    systemClock
  )
  exchange.response.catch(() => { /* told by the ending as well */ })
  return exchange
}

/** The dispatcher's side of an exchange, played by hand */
function begun (init: { unwritten?: number, announced?: number } = {}): {
  exchange: Exchange
  controller: Dispatcher.DispatchController
  endings: Ending[]
  states: () => string[]
  abort: () => void
} {
  const seen = attempt()
  const controller = {
    paused: false,
    pause () { this.paused = true },
    resume () { this.paused = false },
    abort: (reason: Error) => { exchange.onResponseError(controller as unknown as Dispatcher.DispatchController, reason) }
  }
  const exchange = exchangeFor(seen)
  const endings: Ending[] = []
  exchange.onEnd = ending => { endings.push(ending) }
  exchange.carry({ reused: false, unwritten: init.unwritten ?? 0, received: 0 })
  const undici = controller as unknown as Dispatcher.DispatchController
  exchange.onRequestStart(undici)
  return { exchange, controller: undici, endings, states: () => seen.states, abort: () => { seen.abort() } }
}

describe('an exchange', () => {
  it('lets the socket wait for a reader that is slower', async () => {
    const { exchange, controller } = begun()
    exchange.onResponseStarted()
    exchange.onResponseStart(controller, 200, { 'content-length': String(MIB) })
    const response = await exchange.response
    let sent = 0

    while (!controller.paused && sent < MIB) {
      exchange.onResponseData(controller, new Uint8Array(65_536))
      sent += 65_536
    }
    expect(sent).toBe(524_288)

    const body = response.body[Symbol.asyncIterator]()
    await body.next()
    expect(controller.paused).toBe(false)
  })

  it('tells of bytes that were still in our own hands when it was given up that nobody knows', () => {
    const there = begun({ unwritten: 0 })
    there.abort()
    const here = begun({ unwritten: 100 })
    here.abort()

    expect(there.states()).toEqual(['sent'])
    expect(here.states()).toEqual(['unknown'])
  })

  it('ends once, whatever is said afterwards', async () => {
    const { exchange, controller, endings, states } = begun()
    exchange.onResponseStarted()
    exchange.onResponseStart(controller, 200, {})
    exchange.onResponseEnd()
    exchange.onResponseError(controller, new Error('late'))
    exchange.abort(new Error('later'))

    expect(endings).toEqual(['complete'])
    expect(states()).toEqual(['sent'])
    expect(await (await exchange.response).body[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
  })

  it('gives what came before it broke, then says how it broke', async () => {
    const { exchange, controller } = begun()
    exchange.onResponseStarted()
    exchange.onResponseStart(controller, 200, {})
    exchange.onResponseData(controller, Uint8Array.of(1))
    exchange.onResponseError(controller, Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    const body = (await exchange.response).body[Symbol.asyncIterator]()

    expect(await body.next()).toEqual({ done: false, value: Uint8Array.of(1) })
    await expect(body.next()).rejects.toMatchObject({ name: 'TransportError', failure: 'lost' })
  })

  it('given up before it had a connection leaves the connection to others', () => {
    const seen = attempt()
    const exchange = exchangeFor(seen)
    const endings: Ending[] = []
    exchange.onEnd = ending => { endings.push(ending) }

    seen.abort()

    expect(endings).toEqual(['abandoned'])
    expect(seen.states).toEqual(['not-sent'])
    expect(() => { exchange.onRequestStart({} as Dispatcher.DispatchController) }).toThrow('no longer wanted')
  })
})
