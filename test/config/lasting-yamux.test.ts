import { yamux } from '@libp2p/yamux'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lastingYamux } from '../../src/config/lasting-yamux.ts'
import type { StreamMuxer } from '@libp2p/interface'

const uncaught: string[] = []
const onUncaught = (err: Error): void => { uncaught.push(err.name) }

beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtException', onUncaught)
})

afterEach(() => {
  process.off('uncaughtException', onUncaught)
})

/** A muxer whose connection ends in the tick in which a stream is opened */
async function openAndEnd (factory: ReturnType<typeof yamux>): Promise<StreamMuxer> {
  const [outbound] = multiaddrConnectionPair()
  const muxer = factory().createStreamMuxer(outbound)
  void muxer.createStream({ protocol: '/portolan/test/1.0.0' })
  // its muxer hears of that later
  Reflect.set(outbound, 'writeStatus', 'closed')
  // what a microtask throws is heard of in the next turn
  await new Promise(resolve => { setImmediate(resolve) })
  return muxer
}

describe('a connection that ends in the tick in which a stream is opened', () => {
  it('would end the process with yamux as it is', async () => {
    await openAndEnd(yamux())
    expect(uncaught).toEqual(['StreamStateError'])
  })

  it('is no more than a connection that ended', async () => {
    const muxer = await openAndEnd(lastingYamux({}))
    expect(uncaught).toEqual([])
    muxer.abort(new Error('gone'))
    expect(muxer.streams).toEqual([])
  })

  it('what a stream is given is still refused to whoever gives it', async () => {
    const [outbound] = multiaddrConnectionPair()
    const muxer = lastingYamux({})().createStreamMuxer(outbound)
    const stream = await muxer.createStream({ protocol: '/portolan/test/1.0.0' })
    Reflect.set(outbound, 'writeStatus', 'closed')
    expect(() => { stream.send(new Uint8Array(10)) }).toThrow('closed')
    await new Promise(resolve => { setImmediate(resolve) })
    expect(uncaught).toEqual([])
  })
})
