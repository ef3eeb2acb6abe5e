import type { RoutingRequest } from './request.ts'
import type { AttemptSlots } from './slots.ts'

/** Ahead of its equals, behind every whole step of priority */
const RETRY_BOOST = 0.5

export interface TurnInit {
  readonly slots: AttemptSlots
  readonly request: RoutingRequest
  /** Look again: something changed */
  onChange (): void
  /** More reads wait than may */
  onCrowded (): void
}

/** One read waiting for its turn: for a free slot, or for room at a provider that it could ask */
export class Turn {
  readonly #init: TurnInit
  #leaveQueue: () => void = () => {}
  #leaveRoom: () => void = () => {}
  #queued = false
  #priority = 0
  #over = false
  #again = false

  constructor (init: TurnInit) {
    this.#init = init
  }

  get queued (): boolean {
    return this.#queued
  }

  get client (): string {
    return this.#init.request.client ?? ''
  }

  /** Runs `begin` holding a slot, now or later; the slot goes back at once when it began nothing */
  take (begin: () => boolean, again: boolean): void {
    const { slots } = this.#init
    this.#again = again
    const run = (): void => {
      this.#queued = false

      if (this.#over || !begin()) {
        slots.release(this.client)
        this.#init.onChange()
      }
    }

    if (slots.tryAcquire(this.client)) {
      run()
    } else if (slots.full) {
      this.#init.onCrowded()
    } else {
      this.#queued = true
      this.#priority = this.#rank
      this.#leaveQueue = slots.enqueue(this.client, this.#priority, run)
    }
  }

  /** A joiner raised the priority: back to the start of the queue of its new rank */
  raise (): void {
    if (this.#queued && this.#rank > this.#priority) {
      this.#leaveQueue()
      this.#queued = false
    }
  }

  /** Everybody who could be asked is busy: wait until one is not */
  awaitRoom (hasRoom: () => boolean): void {
    const { slots, onChange } = this.#init
    this.#leaveRoom()
    this.#leaveRoom = slots.whenRoom(this.client, this.#rank, () => {
      const room = hasRoom()

      if (room) {
        this.#leaveRoom()
        onChange()
      }

      return room
    })
  }

  /** A read whose provider failed it has waited once already */
  get #rank (): number {
    return this.#init.request.priority + (this.#again ? RETRY_BOOST : 0)
  }

  end (): void {
    this.#over = true
    this.#leaveQueue()
    this.#leaveRoom()
  }
}
