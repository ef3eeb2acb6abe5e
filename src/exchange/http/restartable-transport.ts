import { NotRunningError } from '../../interface/errors.ts'
import type { Clock } from '../../interface/clock.ts'
import type { HttpTransport } from '../../interface/http-transport.ts'
import type { AddressPolicy } from '../../provider/address.ts'

/** Makes the platform's HTTP transport: `undiciTransport`, `fetchTransport` */
export type TransportFactory = (context: { policy: AddressPolicy, clock: Clock }) => HttpTransport

export interface RestartableTransport extends HttpTransport {
  open (): void
  close (): Promise<void>
}

/** A transport that can be closed and opened any number of times, where the platform's own closes for good */
export function restartableTransport (make: () => HttpTransport): RestartableTransport {
  let isOpen = false
  let current: HttpTransport | undefined

  return {
    open () {
      isOpen = true
    },

    async request (request, disclosure) {
      if (!isOpen) {
        disclosure.notSent()
        throw new NotRunningError('The HTTP transport is closed: it opens and closes with content routing')
      }
      current ??= make()
      return current.request(request, disclosure)
    },

    async close () {
      isOpen = false
      const closing = current
      current = undefined
      await closing?.close?.()
    }
  }
}
