import { instant } from './sightings.ts'
import type { DisclosureEntry, Ledger } from '../../../src/interface/disclosure.ts'

export interface Recorded {
  readonly entry: DisclosureEntry
  readonly intendedAt: number
  settledAt?: number
}

/** Keeps every entry, and when it was settled */
export class RecordingLedger implements Ledger {
  readonly entries: Recorded[] = []
  readonly #byEntry = new Map<DisclosureEntry, Recorded>()

  intended (entry: DisclosureEntry): void {
    const recorded: Recorded = { entry, intendedAt: instant() }
    this.entries.push(recorded)
    this.#byEntry.set(entry, recorded)
  }

  settled (entry: DisclosureEntry): void {
    const recorded = this.#byEntry.get(entry)

    if (recorded == null) {
      throw new Error(`An entry about ${entry.observer} is settled that was never intended`)
    }
    recorded.settledAt = instant()
  }
}
