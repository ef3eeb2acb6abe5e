import { SharedTaps, restore } from './shared-taps.ts'
import type { Stream } from '@libp2p/interface'

/** Hears of what a stream carries for its protocol, after the protocol was agreed */
export interface StreamObserver {
  sent (bytes: number): void
  received (bytes: number): void
  /** Nothing more goes in, and what nobody had read has been told of as received: a stream that is over need not be held */
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

/** Whether it has closed, or was given up by either end: what is unread may still be read, nothing is added */
export function isOver ({ status }: Stream): boolean {
  return status !== 'open' && status !== 'closing'
}

/**
 * One closure each and no more: there is a tap for each stream, and a node opens many. Where somebody has wrapped them they stay
 * when all have left, and a tap that comes then is the only one to count.
 */
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
      if (event.type === 'message' && observers.length > 0) {
        arrived(stream, observers, event)
      }
      const result = dispatchEvent.call(stream, event)
      if (event.type === 'close' && observers.length > 0 && isOver(stream)) {
        closed(stream, observers)
      }
      return result
    },
    unshift: data => {
      const bytes = data.byteLength
      unshift.call(stream, data)
      wasPutBack(stream, observers, bytes)
    },
    push: data => {
      const bytes = data.byteLength
      push.call(stream, data)
      wasPutBack(stream, observers, bytes)
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

/**
 * What is left to read is counted now: libp2p keeps it as long as the stream, up to 4 MB, and whoever opened it may open as many as
 * they like, one after the other, which nobody ever reads.
 */
function closed (stream: Stream, observers: readonly StreamObserver[]): void {
  if (stream.readStatus === 'closed') {
    ended(stream, observers)
  } else {
    // yamux takes the end in a frame before the bytes in it
    queueMicrotask(() => { ended(stream, observers) })
  }
}

function ended (stream: Stream, observers: readonly StreamObserver[]): void {
  const left = unread(stream)

  for (const observer of [...observers]) {
    if (left > 0) {
      observer.received(left)
    }
    observer.ended()
  }
}

function wasPutBack (stream: Stream, observers: readonly StreamObserver[], bytes: number): void {
  if (observers.length > 0) {
    putBack.set(stream, (putBack.get(stream) ?? 0) + bytes)
  }
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
