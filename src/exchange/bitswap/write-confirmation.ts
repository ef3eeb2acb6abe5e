import { nextTask } from '../../clock/turns.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Connection, Stream } from '@libp2p/interface'

/** Turns of the event loop after a write: in one the socket is written to, in the next its end is heard of, and told upwards */
const CONFIRMING = 4

export interface Written {
  readonly disclosures: readonly Disclosure[]
  /** Those whose want was cancelled */
  readonly cancelled: readonly Disclosure[]
}

/**
 * What the muxer has taken is on its way, unless the connection is gone already and nobody has heard of it yet: that
 * is known when the event loop has looked at its socket once more. An answer says so sooner.
 *
 * @param stopped - aborts when our own side ends streams and connections, in order
 */
export async function confirmWrite ({ stream, connection }: { readonly stream: Stream, readonly connection: Connection }, { disclosures, cancelled }: Written, stopped: AbortSignal): Promise<void> {
  let broke = false
  // what we close ourselves ends behind what was written
  const onClose = ({ error, local }: { readonly error?: Error, readonly local?: boolean }): void => { broke ||= error != null || (local !== true && !stopped.aborted) }
  const left = stream.writeBufferLength > 0
  connection.addEventListener('close', onClose)

  for (let turn = 0; turn < CONFIRMING; turn++) {
    await nextTask()
  }
  connection.removeEventListener('close', onClose)
  broke ||= stream.status === 'reset' || (left && stream.status === 'aborted')

  for (const disclosure of disclosures) {
    if (broke) {
      disclosure.unknown()
    } else {
      disclosure.sent()
    }
  }

  for (const disclosure of broke ? [] : cancelled) {
    disclosure.cancel()
  }
}
