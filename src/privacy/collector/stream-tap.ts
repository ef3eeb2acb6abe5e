import { SharedTaps, restore } from './shared-taps.ts'
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
export function tapStream (stream: Stream, observer: StreamObserver): (isOver?: boolean) => void {
  return taps.add(stream, observer)
}

/** Bytes that have come in and were not read yet */
export function unread (stream: Stream): number {
  return Math.max(0, stream.readBufferLength - (putBack.get(stream) ?? 0))
}

/** One closure each and no more: there is a tap for each stream, and a node opens many */
function tap (stream: Stream, observers: readonly StreamObserver[]): () => void {
  const { send, dispatchEvent, unshift, push } = stream
  const ownBefore = METHODS.map(name => Object.getOwnPropertyDescriptor(stream, name))

  const wrappers: Pick<Stream, typeof METHODS[number]> = {
    send: data => {
      const bytes = data.byteLength
      const more = send.call(stream, data)

      if (bytes > 0) {
        for (const observer of observers) {
          observer.sent(bytes)
        }
      }
      return more
    },
    dispatchEvent: event => {
      if (event.type === 'message') {
        arrived(stream, observers, event)
      }
      const result = dispatchEvent.call(stream, event)
      if (OVER.has(event.type) && isOver(stream)) {
        for (const observer of [...observers]) {
          observer.ended()
        }
      }
      return result
    },
    unshift: data => {
      const bytes = data.byteLength
      unshift.call(stream, data)
      putBack.set(stream, (putBack.get(stream) ?? 0) + bytes)
    },
    push: data => {
      const bytes = data.byteLength
      push.call(stream, data)
      putBack.set(stream, (putBack.get(stream) ?? 0) + bytes)
    }
  }
  Object.assign(stream, wrappers)

  return () => {
    putBack.delete(stream)

    for (const [i, name] of METHODS.entries()) {
      if (stream[name] === wrappers[name]) {
        restore(stream, name, ownBefore[i])
      }
    }
  }
}

const METHODS = ['send', 'dispatchEvent', 'unshift', 'push'] as const

/** Either may be the last: what was read ahead comes out of a closed stream, and an answer goes into one that has been read to its end */
const OVER: ReadonlySet<string> = new Set(['end', 'close'])

function isOver ({ status, readBufferLength }: Stream): boolean {
  return status !== 'open' && status !== 'closing' && readBufferLength === 0
}

function arrived (stream: Stream, observers: readonly StreamObserver[], event: Event & { data?: { byteLength?: number } }): void {
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
