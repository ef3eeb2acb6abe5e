import { SharedTaps } from './shared-taps.ts'
import type { Stream } from '@libp2p/interface'

const waiting = new SharedTaps<Stream, () => void>(watchProtocol)

/**
 * Calls back once the protocol of a stream has been agreed: at once where it has
 * been, otherwise at the moment when libp2p writes it into the stream.
 *
 * @returns stops waiting
 */
export function onceProtocolKnown (stream: Stream, fn: () => void): () => void {
  if (stream.protocol !== '') {
    fn()
    return () => {}
  }
  return waiting.add(stream, fn)
}

function watchProtocol (stream: Stream, observers: ReadonlyArray<() => void>): () => void {
  const field = Object.getOwnPropertyDescriptor(stream, 'protocol')

  if (field?.writable !== true || field.configurable !== true) {
    return () => {}
  }

  const restore = (value: string): void => {
    Object.defineProperty(stream, 'protocol', { ...field, value })
  }
  const set = (value: string): void => {
    if (value !== '') {
      restore(value)

      for (const fn of [...observers]) {
        fn()
      }
    }
  }

  Object.defineProperty(stream, 'protocol', { configurable: true, enumerable: true, get: () => '', set })

  return () => {
    if (Object.getOwnPropertyDescriptor(stream, 'protocol')?.set === set) {
      restore('')
    }
  }
}
