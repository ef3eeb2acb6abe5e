import type { Flight } from './flight.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockKey } from '../interface/provider.ts'

/** The flights under way, by what they may be joined by and by the block that they are for */
export class Flights {
  readonly #byId = new Map<string, Flight>()
  readonly #byKey = new Map<BlockKey, Set<Flight>>()

  get size (): number {
    return this.#byId.size
  }

  get (id: string): Flight | undefined {
    return this.#byId.get(id)
  }

  /** One per mode and size limit at most */
  of (key: BlockKey): Iterable<Flight> {
    return this.#byKey.get(key) ?? []
  }

  all (): Flight[] {
    return [...this.#byId.values()]
  }

  add (id: string, flight: Flight): void {
    this.#byId.set(id, flight)
    const flights = this.#byKey.get(flight.key)

    if (flights == null) {
      this.#byKey.set(flight.key, new Set([flight]))
    } else {
      flights.add(flight)
    }
  }

  delete (id: string): void {
    const flight = this.#byId.get(id)

    if (flight == null) {
      return
    }

    this.#byId.delete(id)
    const flights = this.#byKey.get(flight.key)
    flights?.delete(flight)

    if (flights?.size === 0) {
      this.#byKey.delete(flight.key)
    }
  }
}

/** One flight per block and mode; a caller that accepts larger blocks than usual has one of its own */
export function flightId (mode: PrivacyMode, key: BlockKey, maxBytes?: number): string {
  return maxBytes == null ? `${mode} ${key}` : `${mode} ${key} ${maxBytes}`
}
