import { defaultLogger } from 'birnam'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { tapStream, unread } from '../../../src/privacy/collector/stream-tap.ts'
import { MemoryStream } from '../../../src/testing/memory/memory-stream.ts'
import type { Stream } from '@libp2p/interface'

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ what: fc.constant('come' as const), bytes: fc.integer({ min: 1, max: 5_000 }) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constantFrom('pause', 'resume', 'read', 'stop reading', 'wait', 'leave and come') }) },
  fc.record({ what: fc.constant('wrap' as const), method: fc.constantFrom('send', 'dispatchEvent', 'unshift', 'push') }),
  fc.record({ what: fc.constantFrom('unshift', 'push' as const), bytes: fc.integer({ min: 1, max: 500 }) })
)
const end = fc.constantFrom('reset', 'reset, then bytes', 'closed', 'closed, then bytes')

it('tells each byte that came once, however it is read, put back, paused, wrapped and ended', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), end, async (steps, how) => {
    const stream = memoryStream()
    let [came, told, over] = [0, 0, 0]
    let leave = (_isOver?: boolean): void => {}
    const observer = {
      sent: () => {},
      received: (bytes: number) => { told += bytes },
      ended: () => {
        over++
        leave(true)
      }
    }
    leave = tapStream(stream, observer)
    const read = (): void => {}
    const come = (bytes: number): void => {
      came += bytes
      stream.receive({ type: 'data', bytes: new Uint8Array(bytes) })
    }

    for (const step of steps) {
      const { what } = step

      if (what === 'come') {
        come(step.bytes)
      } else if (what === 'pause' || what === 'resume') {
        stream[what]()
      } else if (what === 'read') {
        stream.addEventListener('message', read)
      } else if (what === 'stop reading') {
        stream.removeEventListener('message', read)
      } else if (what === 'unshift' || what === 'push') {
        stream[what](new Uint8Array(step.bytes))
      } else if (what === 'wait') {
        await new Promise(resolve => { setTimeout(resolve) })
      } else if (what === 'wrap') {
        wrap(stream, step.method)
      } else if (stream.readBufferLength === 0) {
        // what nobody has read would be told to who comes
        leave()
        leave = tapStream(stream, observer)
      }
      expect(told + unread(stream)).toBe(came)
    }

    if (how.startsWith('reset')) {
      stream.receive({ type: 'reset' })
    } else {
      await stream.close()
      stream.receive({ type: 'close-write' })
    }
    if (how.endsWith('then bytes') && stream.readStatus !== 'closed') {
      // a frame may carry its end and bytes
      came += 100
      stream.onData(new Uint8Array(100))
    }
    await Promise.resolve()
    expect([told, over]).toEqual([came, 1])

    if (stream.readStatus === 'paused') {
      stream.resume()
    }
    stream.addEventListener('message', () => {})
    await new Promise(resolve => { setTimeout(resolve) })
    expect([stream.readBufferLength, told, over]).toEqual([0, came, 1])
  }), { numRuns: 500 })
})

function memoryStream (): MemoryStream {
  return new MemoryStream({ id: '1', direction: 'inbound', log: defaultLogger().forComponent('test'), protocol: '/portolan/test/1.0.0', send: () => {} })
}

/** As tracing does, and stays */
function wrap (stream: Stream, method: 'send' | 'dispatchEvent' | 'unshift' | 'push'): void {
  const wrapped = stream[method].bind(stream) as (argument: unknown) => unknown
  Object.assign(stream, { [method]: (argument: unknown) => wrapped(argument) })
}
