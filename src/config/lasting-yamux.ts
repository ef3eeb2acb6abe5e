import { yamux } from '@libp2p/yamux'
import type { StreamMuxer } from '@libp2p/interface'

/** yamux's number for frames that carry what a stream was given */
const DATA = 0

/** What it has and its type does not show */
interface SendsFrames {
  sendFrame (header: { readonly type: number }, ...rest: unknown[]): boolean
}

/**
 * yamux, whose opening of a stream, answers to pings and refusals are written where nobody can catch what they throw:
 * in a microtask, or while it is reading. A peer that hung up just then would end the process. There is nobody left
 * to be told of the failure either: the streams of a connection that is over end with it.
 */
export function lastingYamux (init: Parameters<typeof yamux>[0]): ReturnType<typeof yamux> {
  const components = yamux(init)

  return () => {
    const factory = components()
    const create = factory.createStreamMuxer.bind(factory)

    factory.createStreamMuxer = connection => {
      const muxer: StreamMuxer = create(connection)
      const frames = muxer as unknown as SendsFrames
      const send = frames.sendFrame.bind(muxer)

      frames.sendFrame = (header, ...rest) => {
        try {
          return send(header, ...rest)
        } catch (err) {
          if (header.type === DATA || (err as Error).name !== 'StreamStateError') {
            throw err
          }
          return false
        }
      }
      return muxer as ReturnType<typeof create>
    }
    return factory
  }
}
