import { SharedTaps, wrap } from './shared-taps.ts'
import type { Stream } from '@libp2p/interface'

/** Hears of what a stream carries for its protocol, after the protocol was agreed */
export interface StreamObserver {
  sent (bytes: number): void
  received (bytes: number): void
  /** Nothing more goes in or comes out */
  ended (): void
}

const taps = new SharedTaps<Stream, StreamObserver>(tap)
/** Bytes that a reader put back: they come out again, and came in once */
const putBack = new WeakMap<Stream, number>()

/**
 * Counts what is given to `send` and what is dispatched as `message`. It adds no
 * listener: the first `message` listener of a stream takes its data.
 *
 * @returns takes the observer away again
 */
export function tapStream (stream: Stream, observer: StreamObserver): () => void {
  return taps.add(stream, observer)
}

/** Bytes that have come in and were not read yet */
export function unread (stream: Stream): number {
  return Math.max(0, stream.readBufferLength - (putBack.get(stream) ?? 0))
}

function tap (stream: Stream, observers: ReadonlySet<StreamObserver>): () => void {
  const wrappers = [
    wrap(stream, 'send', send => data => {
      const bytes = data.byteLength
      const more = send(data)

      if (bytes > 0) {
        for (const observer of observers) {
          observer.sent(bytes)
        }
      }
      return more
    }),
    wrap(stream, 'dispatchEvent', dispatchEvent => event => {
      if (event.type === 'message') {
        arrived(stream, observers, event)
      }
      const result = dispatchEvent(event)
      if (OVER.has(event.type) && isOver(stream)) {
        for (const observer of [...observers]) {
          observer.ended()
        }
      }
      return result
    }),
    wrap(stream, 'unshift', unshift => data => {
      const bytes = data.byteLength
      unshift(data)
      putBack.set(stream, (putBack.get(stream) ?? 0) + bytes)
    }),
    wrap(stream, 'push', push => data => {
      const bytes = data.byteLength
      push(data)
      putBack.set(stream, (putBack.get(stream) ?? 0) + bytes)
    })
  ]

  return () => {
    putBack.delete(stream)

    for (const unwrap of wrappers) {
      unwrap()
    }
  }
}

/** Either may be the last: what was read ahead comes out of a closed stream, and an answer goes into one that has been read to its end */
const OVER: ReadonlySet<string> = new Set(['end', 'close'])

function isOver ({ status, readBufferLength }: Stream): boolean {
  return status !== 'open' && status !== 'closing' && readBufferLength === 0
}

function arrived (stream: Stream, observers: ReadonlySet<StreamObserver>, event: Event & { data?: { byteLength?: number } }): void {
  const length = event.data?.byteLength ?? 0
  const back = putBack.get(stream) ?? 0
  const known = Math.min(back, length)

  if (back > 0) {
    putBack.set(stream, back - known)
  }
  if (length > known) {
    for (const observer of observers) {
      observer.received(length - known)
    }
  }
}
